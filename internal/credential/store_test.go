package credential

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orlop/orlop/remote/auth"
)

// write makes a configuration file with the content and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func open(t *testing.T, paths ...string) *Store {
	t.Helper()
	s, err := Open(paths...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPutGetDelete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "config.json")
	s := open(t, path)
	creds := map[string]auth.Credential{
		"reg.example:5000": {Username: "ann", Password: "a:b<>&é"},
		"docker.io":        {Username: "hub", Password: "x"},
		"token.example":    {RefreshToken: "refresh"},
		"bearer.example":   {AccessToken: "access"},
		"both.example":     {Username: "00000000-0000-0000-0000-000000000000", RefreshToken: "refresh"},
	}
	for host, c := range creds {
		if err := s.Put(t.Context(), host, c); err != nil {
			t.Fatal(err)
		}
	}
	for host, want := range creds {
		if got, err := s.Get(t.Context(), host, ""); err != nil || got != want {
			t.Errorf("Get(%q) = %v, %v", host, got, err)
		}
	}
	hosts, err := s.Hosts(t.Context())
	want := []string{"bearer.example", "both.example", "docker.io", "reg.example:5000", "token.example"}
	if err != nil || !cmp.Equal(hosts, want) {
		t.Errorf("Hosts = %v, %v", hosts, err)
	}
	for host := range creds {
		if err := s.Delete(t.Context(), host); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(t.Context(), host, ""); err != nil || !got.IsZero() {
			t.Errorf("after Delete: Get(%q) = %v, %v", host, got, err)
		}
	}
}

func TestGetReadsWhatDockerWrites(t *testing.T) {
	basic := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	s := open(t, write(t, "\ufeff"+`{"auths": {
		"https://index.docker.io/v1/": {"auth": "`+basic("hub:pw\x00\x00")+`"},
		"https://old.example/v1/": {"auth": "`+basic("old:pw")+`"},
		"http://plain.example": {"username": "u", "password": "p"},
		"acr.example": {"auth": "`+basic("00000000:")+`", "identitytoken": "id"},
		"exact.example": {"auth": "`+basic("right:pw")+`"},
		"https://exact.example": {"auth": "`+basic("wrong:pw")+`"}
	}}`))
	for host, want := range map[string]auth.Credential{
		"docker.io":            {Username: "hub", Password: "pw"},
		"registry-1.docker.io": {Username: "hub", Password: "pw"},
		"old.example":          {Username: "old", Password: "pw"},
		"plain.example":        {Username: "u", Password: "p"},
		"acr.example":          {Username: "00000000", RefreshToken: "id"},
		"exact.example":        {Username: "right", Password: "pw"},
	} {
		if got, err := s.Get(t.Context(), host, ""); err != nil || got != want {
			t.Errorf("Get(%q) = %+v, %v", host, got, err)
		}
	}
}

// A credential goes to the very host it was stored for.
func TestGetMatchesTheWholeHost(t *testing.T) {
	s := open(t, write(t, `{"auths": {"reg.example": {"auth": "dTpw"}, "https://other.example:8443/v2/": {"auth": "dTpw"}}}`))
	for _, host := range []string{
		"reg.example.evil", "evilreg.example", "reg.example:444", "reg.example@evil", "evil@reg.example",
		"REG.example", "reg.example.", ".reg.example", "reg", "example", "reg.example/evil", "reg_example",
		"other.example", "other.example:443", "other.example:84430",
	} {
		if got, err := s.Get(t.Context(), host, ""); err != nil || !got.IsZero() {
			t.Errorf("Get(%q) = %v, %v", host, got, err)
		}
	}
}

func TestSeveralFiles(t *testing.T) {
	first := write(t, `{"auths": {"a.example": {"auth": "Zmlyc3Q6cA=="}}}`)
	second := write(t, `{"auths": {"a.example": {"auth": "c2Vjb25kOnA="}, "b.example": {"auth": "c2Vjb25kOnA="}}}`)
	s := open(t, first, second)
	a, _ := s.Get(t.Context(), "a.example", "")
	b, _ := s.Get(t.Context(), "b.example", "")
	if a.Username != "first" || b.Username != "second" {
		t.Errorf("got %v and %v", a, b)
	}
	before := read(t, second)
	if err := s.Put(t.Context(), "b.example", auth.Credential{Username: "new", Password: "p"}); err != nil {
		t.Fatal(err)
	}
	if b, _ := s.Get(t.Context(), "b.example", ""); b.Username != "new" || read(t, second) != before {
		t.Errorf("got %v; the second file changed: %t", b, read(t, second) != before)
	}
}

func TestOthersContentStays(t *testing.T) {
	path := write(t, `{
	"HttpHeaders": {
		"X": "<&>\u00e9"
	},
	"auths": {
		"z.example": {
			"email": "z@example"
		},
		"a.example": {}
	},
	"big": 12345678901234567890.10,
	"detachKeys": "ctrl-e,e"
}
`)
	want := strings.Replace(read(t, path), `"z@example"`, "\"z@example\",\n\t\t\t\"auth\": \"dTpw\"", 1)
	s := open(t, path)
	if err := s.Put(t.Context(), "z.example", auth.Credential{Username: "u", Password: "p"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestDeleteOfNothingLeavesTheFile(t *testing.T) {
	path := write(t, `{"auths":{}}`)
	if err := open(t, path).Delete(t.Context(), "reg.example"); err != nil || read(t, path) != `{"auths":{}}` {
		t.Errorf("%v; the file is %s", err, read(t, path))
	}
	missing := filepath.Join(t.TempDir(), "config.json")
	if err := open(t, missing).Delete(t.Context(), "reg.example"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Error("Delete made a file")
	}
}

func TestRefused(t *testing.T) {
	path := write(t, "{}")
	s := open(t, path)
	ok := auth.Credential{Username: "u", Password: "p"}
	for name, put := range map[string]func() error{
		"no host":           func() error { return s.Put(t.Context(), "", ok) },
		"newline in host":   func() error { return s.Put(t.Context(), "reg\nhost=evil", ok) },
		"CR in user":        func() error { return s.Put(t.Context(), "reg", auth.Credential{Username: "u\r", Password: "p"}) },
		"colon in user":     func() error { return s.Put(t.Context(), "reg", auth.Credential{Username: "a:b", Password: "p"}) },
		"nothing to store":  func() error { return s.Put(t.Context(), "reg", auth.Credential{}) },
		"NUL in host, get":  func() error { _, err := s.Get(t.Context(), "reg\x00", ""); return err },
		"newline in delete": func() error { return s.Delete(t.Context(), "reg\n") },
	} {
		if put() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if read(t, path) != "{}" {
		t.Errorf("the file changed: %s", read(t, path))
	}
}

func TestNullDevice(t *testing.T) {
	for _, path := range []string{"/dev/null", "NUL:", "NUL", "nul"} {
		s := open(t, path)
		if c, err := s.Get(t.Context(), "reg.example", ""); err != nil || !c.IsZero() {
			t.Errorf("%s: Get = %v, %v", path, c, err)
		}
		err := s.Put(t.Context(), "reg.example", auth.Credential{Username: "u", Password: "p"})
		if err == nil || !strings.Contains(err.Error(), "cannot be stored in "+path) {
			t.Errorf("%s: Put: %v", path, err)
		}
		if err := s.Delete(t.Context(), "reg.example"); err != nil {
			t.Errorf("%s: Delete: %v", path, err)
		}
	}
}

func TestMalformedFile(t *testing.T) {
	for _, content := range []string{"{", "[]", `"x"`, "nonsense", `{"auths": {}} trailing`} {
		if _, err := Open(write(t, content)); err == nil {
			t.Errorf("Open accepted %s", content)
		}
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("Open accepted a directory")
	}
	for _, content := range []string{
		`{"auths": []}`, `{"auths": {"reg": "SECRET"}}`, `{"auths": {"reg": {"auth": "SECRET!"}}}`,
		`{"auths": {"reg": {"auth": "U0VDUkVU"}}}`, `{"credHelpers": "SECRET"}`,
	} {
		_, err := open(t, write(t, content)).Get(t.Context(), "reg", "")
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func TestDefaultPath(t *testing.T) {
	dir := home(t)
	if err := open(t).Put(t.Context(), "reg.example", auth.Credential{Username: "u", Password: "p"}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, ".docker")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info, err)
	}
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, ".docker"))
	if c, err := open(t).Get(t.Context(), "reg.example", ""); err != nil || c.Username != "u" {
		t.Errorf("Get = %v, %v", c, err)
	}
}

func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `null`, `{"a":1,"a":2}`, `{"a":{"b":[1,{"c":null}]},"é":"<"}`, `[]`, `{"a"`, "{\"\\u0000\":1e400}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var o object
		if json.Unmarshal(raw, &o) != nil {
			return
		}
		out, err := encode(o)
		if err != nil || !json.Valid(out) {
			t.Fatalf("encode: %s, %v", out, err)
		}
		o.get("a")
		if err := o.set("a", "x"); err != nil || o.string("a") != "x" {
			t.Fatalf("set: %v, %v", o, err)
		}
	})
}

// Whatever a file holds, a login either fails and leaves it, or can be read
// back and leaves everything else.
func FuzzPut(f *testing.F) {
	for _, s := range []string{
		"", "{}", "null", `{"auths":{}}`, `{"auths":{"reg.example":{"auth":"dTpw","email":"e"}},"x":[1,2]}`, `{"auths":{"https://reg.example/":{}},"auths":null}`,
		`{"auths":{"reg.example":[]}}`, `{"auths":3}`, "\ufeff{}", `{"a":1}{}`, `{"credsStore":7}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		if strings.Contains(content, "cred") {
			return // no helpers here
		}
		path := write(t, content)
		s, err := Open(path)
		if err != nil {
			return
		}
		c := auth.Credential{Username: "u", Password: "p"}
		if s.Put(t.Context(), "reg.example", c) != nil {
			if read(t, path) != content {
				t.Fatalf("a failed Put changed the file to %q", read(t, path))
			}
			return
		}
		if got, err := s.Get(t.Context(), "reg.example", ""); err != nil || got != c {
			t.Fatalf("Get = %+v, %v", got, err)
		}
		var before, after map[string]any
		json.Unmarshal([]byte(strings.TrimPrefix(strings.TrimSpace(content), "\ufeff")), &before)
		if err := json.Unmarshal([]byte(read(t, path)), &after); err != nil {
			t.Fatal(err)
		}
		delete(before, "auths")
		delete(after, "auths")
		if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}
