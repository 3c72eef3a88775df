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

// hostOf returns the host that a key of the file means. Old versions of Docker
// wrote keys with a scheme and a path.
func hostOf(key string) string {
	key = strings.TrimPrefix(key, "https://")
	key = strings.TrimPrefix(key, "http://")
	host, _, _ := strings.Cut(key, "/")
	return canonical(host)
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
	i := slices.IndexFunc(o, func(m member) bool { return hostOf(m.name) == canonical(host) })
	if i < 0 {
		return "", false
	}
	return o[i].name, true
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
