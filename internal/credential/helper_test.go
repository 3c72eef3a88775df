//go:build !windows

package credential

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orlop/orlop/remote/auth"
)

// installHelper puts docker-credential-NAME into the PATH. The script finds a
// folder of its own in $DIR and the action in $1.
func installHelper(t *testing.T, name, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script = "#!/bin/sh\nDIR='" + dir + "'\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

// keeper is a helper that keeps one answer in a file.
const keeper = `echo "$@" >>$DIR/calls
env >>$DIR/environment
case $1 in
store) cat >$DIR/kept ;;
get) cat >$DIR/asked; cat $DIR/kept 2>/dev/null || { echo credentials not found in native keychain; exit 1; } ;;
erase) rm $DIR/kept 2>/dev/null || { echo credentials not found in native keychain; exit 1; } ;;
list) printf %s '{"https://reg.example/": "u", "other.example": "v", "bad\nname": "w"}' ;;
esac`

func TestHelper(t *testing.T) {
	dir := installHelper(t, "keeper", keeper)
	path := write(t, `{"credsStore": "absent", "credHelpers": {"reg.example": "keeper"}, "auths": {"reg.example": {"auth": "b2xkOnB3"}}}`)
	s := open(t, path)
	for _, c := range []auth.Credential{{Username: "u:v", Password: "p\"w"}, {RefreshToken: "identity"}} {
		if err := s.Put(t.Context(), "reg.example", c); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(t.Context(), "reg.example", ""); err != nil || got != c {
			t.Errorf("Get = %+v, %v", got, err)
		}
	}
	if asked := read(t, filepath.Join(dir, "asked")); asked != "reg.example" {
		t.Errorf("the helper was asked for %q", asked)
	}
	if strings.Contains(read(t, path), "b2xkOnB3") {
		t.Error("the old password is still in the file")
	}
	// Others can see the arguments of a process, and some its environment.
	if calls := read(t, filepath.Join(dir, "calls")); calls != "store\nget\nstore\nget\n" {
		t.Errorf("the helper was called with %q", calls)
	}
	if environment := read(t, filepath.Join(dir, "environment")); strings.Contains(environment, "identity") || strings.Contains(environment, `p"w`) {
		t.Error("a secret is in the environment of the helper")
	}
	for range 2 {
		if err := s.Delete(t.Context(), "reg.example"); err != nil {
			t.Error(err)
		}
	}
	if got, err := s.Get(t.Context(), "reg.example", ""); err != nil || !got.IsZero() {
		t.Errorf("after Delete: %v, %v", got, err)
	}
	if err := s.Put(t.Context(), "reg.example", auth.Credential{AccessToken: "a"}); err == nil {
		t.Error("an access token was given to a helper")
	}
}

func TestHelperWithoutCredentialFallsBackToTheFile(t *testing.T) {
	installHelper(t, "keeper", keeper)
	s := open(t, write(t, `{"credsStore": "keeper", "auths": {"reg.example": {"auth": "dTpw"}}}`))
	if got, err := s.Get(t.Context(), "reg.example", ""); err != nil || got.Username != "u" {
		t.Errorf("Get = %v, %v", got, err)
	}
}

func TestHosts(t *testing.T) {
	installHelper(t, "keeper", keeper)
	s := open(t, write(t, `{"credHelpers": {"reg.example": "keeper", "x.example": "absent"}, "auths": {"a.example": {"auth": "dTpw"}, "b.example": {}}}`))
	hosts, err := s.Hosts(t.Context())
	if want := []string{"a.example", "reg.example"}; !cmp.Equal(hosts, want) {
		t.Errorf("Hosts = %q", hosts)
	}
	if err == nil || !strings.Contains(err.Error(), "docker-credential-absent is not installed") {
		t.Errorf("Hosts: %v", err)
	}
}

func TestHelperIsNotRunForHostileNames(t *testing.T) {
	dir := installHelper(t, "keeper", keeper)
	s := open(t, write(t, `{"credsStore": "keeper"}`))
	ok := auth.Credential{Username: "u", Password: "p"}
	errs := []error{
		s.Put(t.Context(), "reg\nurl=evil", ok),
		s.Put(t.Context(), "reg\revil", ok),
		s.Put(t.Context(), "reg", auth.Credential{Username: "u\nv", Password: "p"}),
		s.Delete(t.Context(), "reg\n"),
	}
	_, err := s.Get(t.Context(), "reg\nevil", "")
	for i, err := range append(errs, err) {
		if err == nil {
			t.Errorf("case %d was accepted", i)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "calls")); err == nil {
		t.Error("the helper was run")
	}
}

func TestBadHelpers(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"fails", `echo SECRET; echo SECRET >&2; exit 1`, "exit status 1"},
		{"nonsense", `echo SECRET`, "its answer is not valid"},
		{"huge", `cat /dev/zero`, "it answers too much"},
		{"hangs", `exec sleep 1000`, errNoAnswer.Error()},
		{"childhangs", `sleep 3 & wait`, errNoAnswer.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			installHelper(t, tt.name, tt.script)
			path := write(t, `{"credsStore": "`+tt.name+`"}`)
			s := open(t, path)
			if strings.HasSuffix(tt.name, "hangs") {
				s.helperTime = 50 * time.Millisecond
			}
			_, err := s.Get(t.Context(), "reg.example", "")
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("Get: %v", err)
			}
			err = s.Put(t.Context(), "reg.example", auth.Credential{Username: "u", Password: "SECRET"})
			if tt.name != "nonsense" && (err == nil || strings.Contains(err.Error(), "SECRET")) {
				t.Errorf("Put: %v", err)
			}
		})
	}
}

func TestHelperEndsWithTheContext(t *testing.T) {
	installHelper(t, "hangs", `exec sleep 1000`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := open(t, write(t, `{"credsStore": "hangs"}`)).Get(ctx, "reg.example", "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
}

func TestHelperNames(t *testing.T) {
	for _, name := range []string{"../evil", `..\\evil`, "a/b"} {
		_, err := open(t, write(t, `{"credsStore": "`+name+`"}`)).Get(t.Context(), "reg.example", "")
		if err == nil || !strings.Contains(err.Error(), "its name is not valid") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
