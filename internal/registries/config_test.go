package registries

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// config loads a file with the content.
func config(t *testing.T, content string) *Config {
	t.Helper()
	c, err := Load(Locations{Conf: write(t, filepath.Join(t.TempDir(), "registries.conf"), content)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const example = `
unqualified-search-registries = ["example.com"]
short-name-mode = "enforcing"

[[registry]]
prefix = "example.com/foo"
location = "internal.example/bar"
  [[registry.mirror]]
  location = "mirror-0.example/mirror-for-foo/"
  [[registry.mirror]]
  location = "mirror-1.example/mirrors/foo"
  insecure = true
  pull-from-mirror = "digest-only"
  [[registry.mirror]]
  location = "mirror-2.example:5000"
  pull-from-mirror = "tag-only"

[[registry]]
location = "insecure.example"
insecure = true

[[registry]]
prefix = "*.wild.example"
  [[registry.mirror]]
  location = "mirror.example/wild"

[[registry]]
prefix = "bad.example"
location = "bad.example"
blocked = true

[[registry]]
prefix = "reg.example/app:evil"
location = "reg.example/app"
blocked = true

[[registry]]
location = "digests.example"
mirror-by-digest-only = true
  [[registry.mirror]]
  location = "mirror.example/digests"

[aliases]
"short" = "example.com/short"
`

// TestRoute lists, for a reference, where it is read: "+" is a mirror, "!" takes
// any certificate.
func TestRoute(t *testing.T) {
	c := config(t, example)
	const d = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, tt := range []struct{ host, repo, reference, want string }{
		{"example.com", "foo/image", "latest",
			"+mirror-0.example/mirror-for-foo/image +mirror-2.example:5000/image internal.example/bar/image"},
		{"example.com", "foo/image", d,
			"+mirror-0.example/mirror-for-foo/image +!mirror-1.example/mirrors/foo/image internal.example/bar/image"},
		{"example.com", "foo", "1", "+mirror-0.example/mirror-for-foo internal.example/bar"},
		{"example.com", "foobar", "1", "-"},
		{"example.com", "", "", "-"},
		{"example.com:5000", "foo/image", "1", "-"},
		{"insecure.example", "a", "1", "!insecure.example/a"},
		{"insecure.example", "", "", "!insecure.example"},
		{"insecure.example:5000", "a", "1", "-"},
		{"a.b.wild.example", "x", "1", "+mirror.example/wild/x a.b.wild.example/x"},
		{"a.wild.example:5000", "x/y", "1", "+mirror.example/wild/x/y a.wild.example:5000/x/y"},
		{"wild.example", "x", "1", "-"},
		{"evilwild.example", "x", "1", "-"},
		{"a.wild.example.evil", "x", "1", "-"},
		{"bad.example", "x", "1", "blocked"},
		{"bad.example", "", "", "blocked"},
		{"reg.example", "app", "evil", "blocked"},
		{"reg.example", "app", "good", "-"},
		{"digests.example", "x", "1", "-"},
		{"digests.example", "x", d, "+mirror.example/digests/x digests.example/x"},
	} {
		if got := routeText(c.Route(tt.host, tt.repo, tt.reference)); got != tt.want {
			t.Errorf("Route(%q, %q, %.12q):\n got %s\nwant %s", tt.host, tt.repo, tt.reference, got, tt.want)
		}
	}
}

func routeText(r *Route, err error) string {
	if _, ok := errors.AsType[*BlockedError](err); ok {
		return "blocked"
	}
	if r == nil {
		return "-"
	}
	var texts []string
	for _, s := range r.Reads {
		text := s.String()
		if s.Insecure {
			text = "!" + text
		}
		if s.Mirror {
			text = "+" + text
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func TestBlockedNamesTheFile(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "x.conf"), "[[registry]]\nlocation = \"bad.example/x\"\nblocked = true\n")
	c, err := Load(Locations{Conf: path})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Route("bad.example", "x/y", "1")
	if want := "bad.example/x/y is blocked by the prefix bad.example/x in " + path; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestFilesInOrder(t *testing.T) {
	dir := t.TempDir()
	table := func(prefix, location string) string {
		return "[[registry]]\nprefix = \"" + prefix + "\"\nlocation = \"" + location + "\"\n"
	}
	user, system := filepath.Join(dir, "user"), filepath.Join(dir, "system")
	l := Locations{Dirs: []string{user, system, filepath.Join(dir, "absent")}}
	route := func(host string) string {
		t.Helper()
		c, err := Load(l)
		if err != nil {
			t.Fatal(err)
		}
		return routeText(c.Route(host, "x", "1"))
	}
	if got := route("a.example"); got != "-" {
		t.Errorf("without any file: %s", got)
	}
	write(t, filepath.Join(system, "registries.conf"), table("a.example", "system.example")+table("b.example", "system.example"))
	if got := route("a.example"); got != "system.example/x" {
		t.Errorf("the system's file: %s", got)
	}
	write(t, filepath.Join(user, "registries.conf"), table("a.example", "user.example"))
	if a, b := route("a.example"), route("b.example"); a != "user.example/x" || b != "-" {
		t.Errorf("the user's file beside the system's: %s, %s", a, b)
	}
	write(t, filepath.Join(system, "registries.conf.d", "20-b.conf"), table("a.example", "20.example")+table("b.example", "20.example"))
	write(t, filepath.Join(system, "registries.conf.d", "10-a.conf"), table("a.example", "10.example")+table("c.example", "10.example"))
	write(t, filepath.Join(system, "registries.conf.d", "30-c.txt"), "nonsense")
	if a, c := route("a.example"), route("c.example"); a != "20.example/x" || c != "10.example/x" {
		t.Errorf("with drop-in files: %s, %s", a, c)
	}
	write(t, filepath.Join(user, "registries.conf.d", "20-b.conf"), table("b.example", "mine.example"))
	if a, b := route("a.example"), route("b.example"); a != "10.example/x" || b != "mine.example/x" {
		t.Errorf("a drop-in file of the user in place of the system's: %s, %s", a, b)
	}
	l.Last = write(t, filepath.Join(dir, "last.conf"), table("b.example", "last.example"))
	if got := route("b.example"); got != "last.example/x" {
		t.Errorf("with a last file: %s", got)
	}
	l.Conf = write(t, filepath.Join(dir, "only.conf"), table("z.example", "only.example"))
	if a, z := route("a.example"), route("z.example"); a != "-" || z != "only.example/x" {
		t.Errorf("with a file of the user's choice: %s, %s", a, z)
	}
	l.Conf = filepath.Join(dir, "nowhere.conf")
	if _, err := Load(l); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the chosen file is absent: %v", err)
	}
	l.Conf, l.Last = os.DevNull, ""
	if got := route("a.example"); got != "-" {
		t.Errorf("switched off: %s", got)
	}
}

func TestVersion1(t *testing.T) {
	c := config(t, `
[registries.search]
registries = ["a.example"]
[registries.insecure]
registries = ["insecure.example"]
[registries.block]
registries = ["bad.example"]
`)
	for host, want := range map[string]string{"a.example": "-", "insecure.example": "!insecure.example/x", "bad.example": "blocked"} {
		if got := routeText(c.Route(host, "x", "1")); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

func TestErrorsNameFileAndLine(t *testing.T) {
	for content, want := range map[string]string{
		"[[registry]]\nlocation = \n":                                "line 2",
		"[[registry]]\n\nlocation = \"https://a.example\"\n":         "line 3",
		"[[registry]]\nlocation = \"a.example\"\ninsecure = \"x\"\n": "line 3",
		"x = 1\nx = 2\n": "line 2",
		"[[registry]]\nlocation = \"A.example/UPPER\"\n":                                                                        `location "A.example/UPPER"`,
		"[[registry]]\ninsecure = true\n":                                                                                       "neither prefix nor location",
		"[[registry]]\nprefix = \"a.example\"\n":                                                                                `"a.example" has no location`,
		"[[registry]]\nprefix = \"*.a.example/x\"\n":                                                                            "not of the form",
		"[[registry]]\nprefix = \"a.*.example\"\nlocation=\"b\"":                                                                "not its beginning",
		"[[registry]]\nlocation = \"a.example\"\n[[registry.mirror]]\ninsecure = true\n":                                        "the location is empty",
		"[[registry]]\nlocation = \"a.example\"\n[[registry.mirror]]\nlocation = \"m.example\"\npull-from-mirror = \"never\"\n": "line 5",
		"[[registry]]\nlocation = \"a.example\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = \"m.example\"\npull-from-mirror = \"all\"\n": "cannot have pull-from-mirror",
	} {
		path := write(t, filepath.Join(t.TempDir(), "registries.conf"), content)
		_, err := Load(Locations{Conf: path})
		if err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", content, err, want)
		}
	}
	if _, err := Load(Locations{Conf: "/dev/zero"}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("an endless file: %v", err)
	}
}

func TestDefault(t *testing.T) {
	vars := map[string]string{"HOME": "/home/u", "XDG_CONFIG_HOME": "/conf", "CONTAINERS_REGISTRIES_CONF": "/only"}
	got := Default(func(name string) string { return vars[name] })
	want := Locations{
		Conf:  "/only",
		Dirs:  []string{"/conf/containers", "/etc/containers", "/usr/share/containers"},
		Certs: []string{"/conf/containers/certs.d", "/home/u/.docker/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d", "/usr/share/containers/certs.d"},
	}
	if diff := cmp.Diff(want, got); diff != "" && os.PathSeparator == '/' {
		t.Error(diff)
	}
}

// FuzzLoad: whatever a file holds, it is an error or gives routes to valid
// places.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{example, "", "x", "[[registry]]\nprefix=\"*.a\"\nlocation=\"b/c\"", "[[registry]]\nlocation=\"a:1/b\"\nblocked=true"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		tables, err := parse([]byte(content))
		if err != nil {
			return
		}
		c := &Config{}
		for _, tt := range tables {
			c.add(tt)
		}
		for _, host := range []string{"example.com", "x.wild.example", "a:1"} {
			r, err := c.Route(host, "foo/image", "1")
			if err != nil || r == nil {
				continue
			}
			for _, s := range r.Reads {
				if s.Host == "" || s.Repo == "" || strings.Contains(s.Host, "/") {
					t.Errorf("%q leads to %+v", content, s)
				}
			}
		}
	})
}
