package credential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/orlop/orlop/remote/auth"
)

// Store reads and writes credentials in one or several configuration files.
// Reads fall through the files in order; writes go to the first. It may be used
// concurrently, also by several processes.
type Store struct {
	files      []file
	helperTime time.Duration
}

// Open returns the store of the given configuration files. Without any they are
// the one that $REGISTRY_AUTH_FILE names, then config.json in $DOCKER_CONFIG or
// in .docker of the home directory, then auth.json of the containers tools. A
// missing file is an empty one. So is the null device, which cannot be written.
// Files are read again at every use; Open fails if one is malformed.
func Open(paths ...string) (*Store, error) {
	s := &Store{helperTime: helperTime}
	for _, p := range paths {
		s.files = append(s.files, file(p))
	}
	if len(paths) == 0 {
		var err error
		if s.files, err = defaultFiles(); err != nil {
			return nil, err
		}
	}
	for _, f := range s.files {
		if _, err := f.read(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Get returns the credential for a registry, host[:port] as in a reference, and
// for a repository of it. One that was stored for the repository, or for a part
// of its path, wins over that of the registry; without repo ("") there is only
// the latter. It is empty if there is none.
func (s *Store) Get(ctx context.Context, host, repo string) (auth.Credential, error) {
	c, _, err := s.find(ctx, host, repo)
	return c, err
}

// Source names the file, or the helper's file, that has a credential for a
// registry; "" if there is none.
func (s *Store) Source(ctx context.Context, host string) (string, error) {
	_, f, err := s.find(ctx, host, "")
	return string(f), err
}

// find returns the first credential that the files have, and its file.
func (s *Store) find(ctx context.Context, host, repo string) (auth.Credential, file, error) {
	if err := errors.Join(checkHost(host), checkText("the name of the repository", repo)); err != nil {
		return auth.Credential{}, "", err
	}
	for _, f := range s.files {
		c, err := s.getFrom(ctx, f, host, repo)
		if err != nil {
			return auth.Credential{}, "", fmt.Errorf("credential for %s: %w", host, err)
		}
		if !c.IsZero() {
			return c, f, nil
		}
	}
	return auth.Credential{}, "", nil
}

// getFrom asks the file for what it keeps for repositories, then the helper that
// it names for host, then the file for what it keeps for host.
func (s *Store) getFrom(ctx context.Context, f file, host, repo string) (auth.Credential, error) {
	o, err := f.read()
	if err != nil {
		return auth.Credential{}, err
	}
	auths, err := o.object("auths")
	if err != nil {
		return auth.Credential{}, err
	}
	if key, ok := auths.findScoped(host, repo); ok {
		return decodeEntry(auths.get(key))
	}
	name, err := helperFor(o, host)
	if err != nil {
		return auth.Credential{}, err
	}
	if name != "" {
		h, stop := startHelper(ctx, name, s.helperTime)
		defer stop()
		if c, err := h.get(keyOf(host)); err != nil || !c.IsZero() {
			return c, err
		}
	}
	key, ok := auths.find(host)
	if !ok {
		return auth.Credential{}, nil
	}
	return decodeEntry(auths.get(key))
}

// helperFor returns the name of the helper that o gives to host, "" if none.
func helperFor(o object, host string) (string, error) {
	helpers, err := o.object("credHelpers")
	if err != nil {
		return "", err
	}
	if key, ok := helpers.find(host); ok {
		return helpers.string(key), nil
	}
	return o.string("credsStore"), nil
}

// Put stores the credential for a registry in the first file, or in the helper
// that this file names for it.
func (s *Store) Put(ctx context.Context, host string, c auth.Credential) error {
	err := errors.Join(checkHost(host), checkText("the user name", c.Username))
	if err == nil && c.IsZero() {
		err = errors.New("there is nothing to store")
	}
	if err != nil {
		return err
	}
	helped, err := s.withHelper(ctx, host, func(h *helper) error { return h.store(keyOf(host), c) })
	if err != nil {
		return err
	}
	if helped {
		c = auth.Credential{} // Docker keeps an empty entry to know the host by
	}
	return s.files[0].update(ctx, func(o *object) (bool, error) { return true, putEntry(o, host, c) })
}

func putEntry(o *object, host string, c auth.Credential) error {
	auths, err := o.object("auths")
	if err != nil {
		return err
	}
	old, err := auths.object(keyOf(host))
	if err != nil {
		return err
	}
	e, err := encodeEntry(old, c)
	if err != nil {
		return err
	}
	if err := auths.set(keyOf(host), e); err != nil {
		return err
	}
	return o.set("auths", auths)
}

// withHelper calls do with the helper that the first file names for host and
// tells whether there is one.
func (s *Store) withHelper(ctx context.Context, host string, do func(*helper) error) (bool, error) {
	o, err := s.files[0].read()
	if err != nil {
		return false, err
	}
	name, err := helperFor(o, host)
	if err != nil || name == "" {
		return false, err
	}
	h, stop := startHelper(ctx, name, s.helperTime)
	defer stop()
	return true, do(h)
}

// Delete removes the credential for a registry from the first file and its
// helper. Nothing to remove is no error.
func (s *Store) Delete(ctx context.Context, host string) error {
	if err := checkHost(host); err != nil {
		return err
	}
	_, helperErr := s.withHelper(ctx, host, func(h *helper) error { return h.erase(keyOf(host)) })
	if s.files[0].isNull() {
		return helperErr // nothing is there
	}
	err := s.files[0].update(ctx, func(o *object) (bool, error) {
		auths, err := o.object("auths")
		if err != nil || !auths.deleteFunc(func(key string) bool { return means(key, host) }) {
			return false, err
		}
		return true, o.set("auths", auths)
	})
	return errors.Join(helperErr, err)
}

// hasSecret tells whether an entry of "auths" holds a credential.
func hasSecret(raw json.RawMessage) bool {
	c, err := decodeEntry(raw)
	return err == nil && !c.IsZero()
}
