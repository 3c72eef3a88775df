package registries

import (
	"fmt"
	"net"
	"strings"
)

// Source is where a repository is to be found.
type Source struct {
	Host     string // host[:port]
	Repo     string // of that host; "" for the registry as a whole
	Insecure bool   // any certificate will do, and so will plain HTTP
	Mirror   bool   // it may lack content
}

// String is the source as a reference names it.
func (s Source) String() string {
	if s.Repo == "" {
		return s.Host
	}
	return s.Host + "/" + s.Repo
}

// Route is how a repository is reached.
type Route struct {
	// Named is the registry that was named: what is written goes there.
	Named Source
	// Reads are tried in order: the mirrors, then the location.
	Reads []Source
}

// BlockedError reports a registry that the configuration forbids.
type BlockedError struct {
	Name   string // what was asked for
	Prefix string // of the table
	File   string // that has it
}

// Error implements error.
func (e *BlockedError) Error() string {
	return fmt.Sprintf("%s is blocked by the prefix %s in %s", e.Name, e.Prefix, e.File)
}

// Route returns how a repository of a registry (repo "": the registry itself)
// is reached; nil if the configuration has nothing to say. The reference, a tag
// or a digest, decides which mirrors there are. A *BlockedError if it is
// forbidden.
func (c *Config) Route(host, repo, reference string) (*Route, error) {
	name := Source{Host: host, Repo: repo}.String()
	digested := strings.Contains(reference, ":")
	t := c.find(name, full(name, reference, digested))
	if t == nil {
		return nil, nil
	}
	if t.Blocked {
		return nil, &BlockedError{Name: name, Prefix: string(t.Prefix), File: t.file}
	}
	r := &Route{Named: Source{Host: host, Repo: repo, Insecure: t.Insecure}}
	for _, m := range t.mirrorsFor(digested) {
		if s := t.rewrite(r.Named, m.Location); repo != "" && s != r.Named {
			s.Insecure, s.Mirror = m.Insecure, true
			r.Reads = append(r.Reads, s)
		}
	}
	r.Reads = append(r.Reads, t.rewrite(r.Named, t.Location))
	if len(r.Reads) == 1 && r.Reads[0] == r.Named && !t.Insecure {
		return nil, nil // nothing differs
	}
	return r, nil
}

func full(name, reference string, digested bool) string {
	switch {
	case reference == "":
		return name
	case digested:
		return name + "@" + reference
	}
	return name + ":" + reference
}

// find returns the table with the longest prefix that matches.
func (c *Config) find(name, full string) *table {
	var best *table
	for i := range c.tables {
		t := &c.tables[i]
		if (matches(name, string(t.Prefix)) || full == string(t.Prefix)) && (best == nil || len(t.Prefix) > len(best.Prefix)) {
			best = t
		}
	}
	return best
}

// matches tells whether a name (host[:port][/repository]) is under a prefix.
func matches(name, prefix string) bool {
	if domain, ok := strings.CutPrefix(prefix, "*"); ok {
		host, _, _ := strings.Cut(name, "/")
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		return strings.HasSuffix(host, domain)
	}
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// mirrorsFor returns the mirrors for a tag or for a digest.
func (t *table) mirrorsFor(digested bool) []mirror {
	var mirrors []mirror
	for _, m := range t.Mirrors {
		pull := m.Pull
		if t.MirrorByDigestOnly {
			pull = digestOnly
		}
		if pull == digestOnly && !digested || pull == tagOnly && digested {
			continue
		}
		mirrors = append(mirrors, m)
	}
	return mirrors
}

// rewrite puts a location in place of the prefix of the table. It leaves the
// name as it is where there is no location (of a wildcard), and where the prefix
// is longer than the name, by a tag.
func (t *table) rewrite(named Source, location place) Source {
	rest, ok := strings.CutPrefix(named.String(), string(t.Prefix))
	if t.Prefix.wild() {
		rest, ok = strings.TrimPrefix(named.String(), named.Host), true
	}
	if location == "" || !ok {
		return named
	}
	s := named
	s.Host, s.Repo = place(string(location) + rest).split()
	if s.Repo == "" && named.Repo != "" {
		return named // the location of one repository names none
	}
	return s
}
