package registries

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// Locations say where the configuration lies. The zero value is nowhere.
type Locations struct {
	// Conf is the one file to read if the user names one. Then Dirs have no say.
	// An empty file, such as the null device, switches everything off.
	Conf string
	// Last is one more file, read after all others.
	Last string
	// Dirs have registries.conf, of which the first counts, and
	// registries.conf.d.
	Dirs []string
	// Certs are the directories with one for each registry, of which the first
	// counts.
	Certs []string
}

// Default returns the places of this user and this machine, as getenv tells
// them ($CONTAINERS_REGISTRIES_CONF, $XDG_CONFIG_HOME, $HOME).
func Default(getenv func(string) string) Locations {
	l := Locations{Conf: getenv("CONTAINERS_REGISTRIES_CONF"), Last: getenv("CONTAINERS_REGISTRIES_CONF_OVERRIDE")}
	home := getenv("HOME")
	if runtime.GOOS == "windows" {
		home = getenv("USERPROFILE")
	}
	config := getenv("XDG_CONFIG_HOME")
	if config == "" && home != "" {
		config = filepath.Join(home, ".config")
	}
	if config != "" {
		l.add(filepath.Join(config, "containers"))
	}
	if home != "" {
		l.Certs = append(l.Certs, filepath.Join(home, ".docker", "certs.d"))
	}
	if runtime.GOOS != "windows" {
		l.add("/etc/containers")
		l.Certs = append(l.Certs, "/etc/docker/certs.d")
		l.add("/usr/share/containers")
	}
	return l
}

func (l *Locations) add(dir string) {
	l.Dirs = append(l.Dirs, dir)
	l.Certs = append(l.Certs, filepath.Join(dir, "certs.d"))
}

// files returns the files of the configuration in the order in which they are
// read. Of drop-in files with one name the first directory's counts.
func (l Locations) files() ([]string, error) {
	files := []string{l.Conf}
	if l.Conf == "" {
		var err error
		if files, err = l.search(); err != nil {
			return nil, err
		}
	}
	if l.Last != "" {
		files = append(files, l.Last)
	}
	return files, nil
}

func (l Locations) search() (files []string, err error) {
	for _, dir := range l.Dirs {
		path := filepath.Join(dir, "registries.conf")
		if _, err := os.Stat(path); err == nil {
			files = append(files, path)
			break
		}
	}
	dropIns := map[string]string{}
	for _, dir := range l.Dirs {
		entries, err := os.ReadDir(filepath.Join(dir, "registries.conf.d"))
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		for _, e := range entries {
			name := e.Name()
			if dropIns[name] == "" && !e.IsDir() && filepath.Ext(name) == ".conf" {
				dropIns[name] = filepath.Join(dir, "registries.conf.d", name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dropIns)) {
		files = append(files, dropIns[name])
	}
	return files, nil
}
