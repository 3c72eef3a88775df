package registries

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/orlop/orlop/ref"
)

// maxFile is the largest file of the configuration that is read, in bytes.
const maxFile = 4 << 20

// Config is what registries.conf and its drop-in files say.
type Config struct {
	tables []table // each prefix once
}

// table is one [[registry]] of a file.
type table struct {
	Prefix             place    `toml:"prefix"`
	Location           place    `toml:"location"`
	Insecure           bool     `toml:"insecure"`
	Blocked            bool     `toml:"blocked"`
	MirrorByDigestOnly bool     `toml:"mirror-by-digest-only"`
	Mirrors            []mirror `toml:"mirror"`

	file string
}

// mirror is one [[registry.mirror]].
type mirror struct {
	Location place     `toml:"location"`
	Insecure bool      `toml:"insecure"`
	Pull     pullsFrom `toml:"pull-from-mirror"`
}

// document is a file. Registries is what version 1 of the format had.
type document struct {
	Registry   []table `toml:"registry"`
	Registries struct {
		Insecure, Block struct {
			Registries []place `toml:"registries"`
		}
	} `toml:"registries"`
}

// Load reads the configuration. Files that do not exist say nothing, but for
// the one that the user names. An error names file and line.
func Load(l Locations) (*Config, error) {
	files, err := l.files()
	if err != nil {
		return nil, fmt.Errorf("read the configuration of registries: %w", err)
	}
	c := &Config{}
	for _, path := range files {
		if err := c.read(path); err != nil {
			return nil, fmt.Errorf("read the configuration of registries: %w", err)
		}
	}
	return c, nil
}

func (c *Config) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	if err != nil {
		return err
	}
	tables, err := parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, t := range tables {
		t.file = path
		c.add(t)
	}
	return nil
}

// parse reads the tables of a file and checks them.
func parse(raw []byte) ([]table, error) {
	var d document
	if _, err := toml.Decode(string(raw), &d); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "toml: ")) // it begins by the line
	}
	for _, p := range d.Registries.Insecure.Registries {
		d.Registry = append(d.Registry, table{Location: p, Insecure: true})
	}
	for _, p := range d.Registries.Block.Registries {
		d.Registry = append(d.Registry, table{Location: p, Blocked: true})
	}
	for i := range d.Registry {
		if err := d.Registry[i].check(); err != nil {
			return nil, err
		}
	}
	return d.Registry, nil
}

// add puts a table into the place of the one with the same prefix.
func (c *Config) add(t table) {
	for i := range c.tables {
		if c.tables[i].Prefix == t.Prefix {
			c.tables[i] = t
			return
		}
	}
	c.tables = append(c.tables, t)
}

// check fills in what a table leaves out, and finds what does not go together.
func (t *table) check() error {
	if t.Prefix == "" {
		t.Prefix = t.Location
	}
	switch {
	case t.Prefix == "":
		return errors.New("a [[registry]] has neither prefix nor location")
	case t.Location == "" && !t.Prefix.wild():
		return fmt.Errorf("the [[registry]] of %q has no location", t.Prefix)
	case t.Prefix.wild() && strings.ContainsAny(string(t.Prefix[1:]), "*/:"):
		return fmt.Errorf("the prefix %q is not of the form *.example.com", t.Prefix)
	case !t.Prefix.wild() && strings.Contains(string(t.Prefix), "*"):
		return fmt.Errorf("the prefix %q has a * that is not its beginning", t.Prefix)
	}
	if t.Location != "" {
		if err := t.Location.check(); err != nil {
			return err
		}
	}
	for _, m := range t.Mirrors {
		if err := m.Location.check(); err != nil {
			return fmt.Errorf("mirror of %q: %w", t.Prefix, err)
		}
		if t.MirrorByDigestOnly && m.Pull != "" {
			return fmt.Errorf("the [[registry]] of %q has mirror-by-digest-only, so its mirrors cannot have pull-from-mirror", t.Prefix)
		}
	}
	return nil
}

// place is a registry, or a part of the names in it: host[:port][/path].
type place string

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *place) UnmarshalText(text []byte) error {
	s := strings.TrimRight(string(text), "/")
	if strings.Contains(s, "://") {
		return fmt.Errorf("%q: a registry is named without https://", s)
	}
	*p = place(s)
	return nil
}

// wild tells whether p stands for all subdomains.
func (p place) wild() bool { return strings.HasPrefix(string(p), "*.") }

// split returns the registry and the path in it.
func (p place) split() (host, path string) {
	host, path, _ = strings.Cut(string(p), "/")
	return host, path
}

// check tells whether content can be fetched from p.
func (p place) check() error {
	if p == "" {
		return errors.New("the location is empty")
	}
	host, path := p.split()
	err := ref.ValidateRegistry(host)
	if err == nil && path != "" {
		err = ref.ValidateRepository(path)
	}
	if err != nil {
		return fmt.Errorf("location %q: %w", p, err)
	}
	return nil
}

// pullsFrom says which reads a mirror is for: "" and all, digest-only, tag-only.
type pullsFrom string

const (
	digestOnly pullsFrom = "digest-only"
	tagOnly    pullsFrom = "tag-only"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *pullsFrom) UnmarshalText(text []byte) error {
	switch *p = pullsFrom(text); *p {
	case "", "all", digestOnly, tagOnly:
		return nil
	}
	return fmt.Errorf("pull-from-mirror is %q; it can be all, digest-only or tag-only", text)
}
