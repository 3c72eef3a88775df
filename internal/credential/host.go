package credential

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// hubKey is how every tool writes the key of Docker Hub.
const hubKey = "https://index.docker.io/v1/"

// keyOf returns the key under which the credential for host is stored.
func keyOf(host string) string {
	if canonical(host) == "docker.io" {
		return hubKey
	}
	return host
}

// hostOf returns the host that a key of the file is about.
func hostOf(key string) string {
	host, _ := splitKey(key)
	return canonical(host)
}

// means tells whether a key of the file is for a whole registry, not only for
// some of its repositories.
func means(key, host string) bool {
	h, path := splitKey(key)
	return path == "" && canonical(h) == canonical(host)
}

// splitKey returns the host of a key and the path of the repositories that it
// is for (containers-auth.json(5)); "" for all. Old versions of Docker wrote
// keys with a scheme and the path of the API, which mean the host.
func splitKey(key string) (host, path string) {
	host = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, path, _ = strings.Cut(host, "/")
	path = strings.Trim(path, "/")
	if strings.Contains(key, "://") || path == "v1" || path == "v2" {
		path = ""
	}
	return host, path
}

// canonical returns one name for the names of Docker Hub. All others differ if
// one byte or the port differs: a credential goes to no host but its own.
func canonical(host string) string {
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return host
}

// find returns the name of the member that is meant for host: the exact key,
// else the first that means the host; ok is false if there is none.
func (o object) find(host string) (name string, ok bool) {
	if o.get(keyOf(host)) != nil {
		return keyOf(host), true
	}
	i := slices.IndexFunc(o, func(m member) bool { return means(m.name, host) })
	if i < 0 {
		return "", false
	}
	return o[i].name, true
}

// findScoped returns the name of the member that is meant for a repository, or
// for the longest part of its path.
func (o object) findScoped(host, repo string) (name string, ok bool) {
	for path := repo; path != ""; {
		if name = canonical(host) + "/" + path; o.get(name) != nil {
			return name, true
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	return "", false
}

// checkText refuses what could smuggle a line into the protocol of a helper.
func checkText(what, s string) error {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s contains a control character", what)
	}
	return nil
}

func checkHost(host string) error {
	if host == "" {
		return fmt.Errorf("no registry given")
	}
	return checkText("the name of the registry", host)
}
