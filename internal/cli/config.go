package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/orlop/orlop/ref"
)

// config is orlop's own configuration. Credentials are not in it: they are
// where Docker keeps them. Without $ORLOP_CONFIG it is orlop/config.json in the
// user's configuration directory.
type config struct {
	// LoginServer is the registry last signed in to.
	LoginServer string `json:"loginServer,omitempty"`
	// LoginServerSuffix makes a login server of a registry's name, as
	// ".azurecr.io" does. Without it the suffix of LoginServer is used.
	LoginServerSuffix string `json:"loginServerSuffix,omitempty"`
}

func configPath(env *Env) (string, error) {
	if p := env.Getenv("ORLOP_CONFIG"); p != "" {
		return p, nil
	}
	dir, err := env.ConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the configuration directory: %w", err)
	}
	return filepath.Join(dir, "orlop", "config.json"), nil
}

// readConfig reads the configuration; one that does not exist is empty.
func readConfig(env *Env) (config, error) {
	path, err := configPath(env)
	if err != nil {
		return config{}, err
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return config{}, nil
	}
	if err != nil {
		return config{}, fmt.Errorf("read the configuration: %w", err)
	}
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return config{}, fmt.Errorf("read the configuration %s: %w", path, err)
	}
	return c, nil
}

// rememberLogin keeps the registry last signed in to, for --name. The file is
// replaced in one step; of several logins at once one is the last.
func rememberLogin(env *Env, host string) error {
	path, err := configPath(env)
	if err != nil {
		return err
	}
	c, err := readConfig(env)
	if err != nil || c.LoginServer == host {
		return err
	}
	c.LoginServer = host
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if err := replaceFile(path, append(raw, '\n')); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// replaceFile writes a file under another name and renames it, so that readers
// see the old content or the new.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// loginServer resolves what --name gives to a login server:
//
//   - a host name, with a dot or a port, is used as it is;
//   - with a suffix, given or configured, it is name + suffix;
//   - otherwise the registry last signed in to decides. It is meant itself if
//     name is its first label, or if it has no name of its own (localhost, an
//     address); else name takes the place of its first label.
func (c config) loginServer(name, suffix string) (string, error) {
	if strings.ContainsAny(name, ".:") || name == "localhost" {
		return name, nil
	}
	name = strings.ToLower(name)
	if suffix == "" {
		suffix = c.LoginServerSuffix
	}
	if suffix != "" {
		return name + "." + strings.TrimPrefix(suffix, "."), nil
	}
	if c.LoginServer == "" {
		return "", withHint(usagef("the login server of %q is not known", name),
			"sign in first, or give the full host name or --suffix")
	}
	label, rest, ok := strings.Cut(c.LoginServer, ".")
	if !ok || label == name || net.ParseIP(hostname(c.LoginServer)) != nil {
		return c.LoginServer, nil
	}
	return name + "." + rest, nil
}

// loginServer resolves the name of a registry to its login server, by what is
// configured. Without a name it is the registry last signed in to.
func loginServer(env *Env, name, suffix string) (string, error) {
	c, err := readConfig(env)
	if err != nil {
		return "", err
	}
	host := c.LoginServer
	if name != "" {
		if host, err = c.loginServer(name, suffix); err != nil {
			return "", err
		}
	}
	if host == "" {
		return "", withHint(usagef("which registry?"), "give it by --name, or by --registry for acr sp; or sign in first")
	}
	if err := ref.ValidateRegistry(host); err != nil {
		return "", &usageError{err: err}
	}
	return host, nil
}
