package cli

import (
	"reflect"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/pflag"
)

const someDigest = "sha256:603ea6780f25eb11c6c733af50b10f7f45ef4121d044f3eea011fa9a128884e4"

func TestParseRemote(t *testing.T) {
	for in, want := range map[string]parsedRef{
		"localhost:5000/a/b":      {host: "localhost:5000", repo: "a/b", base: "localhost:5000/a/b"},
		"localhost:5000/a/b:1":    {host: "localhost:5000", repo: "a/b", base: "localhost:5000/a/b", reference: "1", tags: []string{"1"}},
		"h/a:1,2,latest":          {host: "h", repo: "a", base: "h/a", reference: "1", tags: []string{"1", "2", "latest"}},
		"h:1/a@" + someDigest:     {host: "h:1", repo: "a", base: "h:1/a", reference: someDigest},
		"h:1/a:tag@" + someDigest: {host: "h:1", repo: "a", base: "h:1/a", reference: someDigest},
	} {
		got, err := parseRemote(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parseRemote(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "a", "h/A:1", "h/a:1,,2", "h/a:1,b@d", "h/a@sha256:1", "h/a:", "h/a,b", "https://h/a:1"} {
		if got, err := parseRemote(in); err == nil || exitCode(err) != exitUsage {
			t.Errorf("parseRemote(%q) = %+v, %v, want wrong use", in, got, err)
		}
	}
}

func TestParseLayout(t *testing.T) {
	for in, want := range map[string]parsedRef{
		"dir":               {base: "dir"},
		"dir:v1":            {base: "dir", reference: "v1", tags: []string{"v1"}},
		"a/dir:v1,v2":       {base: "a/dir", reference: "v1", tags: []string{"v1", "v2"}},
		"dir@" + someDigest: {base: "dir", reference: someDigest},
		`C:\dir`:            {base: `C:\dir`},
		`C:\dir:v1`:         {base: `C:\dir`, reference: "v1", tags: []string{"v1"}},
		"a:b/dir":           {base: "a:b/dir"},
		"user@host":         {base: "user@host"},
	} {
		for _, windows := range []bool{false, true} {
			if got := parseLayout(in, windows); !reflect.DeepEqual(got, want) {
				t.Errorf("parseLayout(%q, %v) = %+v, want %+v", in, windows, got, want)
			}
		}
	}
	if got := parseLayout("C:dir", true); got.base != "C:dir" || got.reference != "" {
		t.Errorf("a drive of Windows was taken for a layout: %+v", got)
	}
	if got := parseLayout("L:v1", false); got.base != "L" || got.reference != "v1" {
		t.Errorf("a layout with a short name: %+v", got)
	}
}

func remoteFlags(t *testing.T, args ...string) *remoteOptions {
	t.Helper()
	var o remoteOptions
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.addFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &o
}

func TestUsePlainHTTP(t *testing.T) {
	for _, c := range []struct {
		host string
		args []string
		want bool
	}{
		{"localhost:5000", nil, true},
		{"127.0.0.1:5000", nil, true},
		{"127.9.9.9", nil, true},
		{"[::1]:5000", nil, true},
		{"localhost.example:5000", nil, false},
		{"128.0.0.1:5000", nil, false},
		{"registry.example", nil, false},
		{"registry.example", []string{"--plain-http"}, true},
		{"localhost", []string{"--plain-http=false"}, false},
		{"localhost", []string{"--insecure"}, false},
		{"localhost", []string{"--ca-file", "ca.pem"}, false},
		{"localhost", []string{"--ca-file", "ca.pem", "--plain-http"}, true},
	} {
		if got := remoteFlags(t, c.args...).usePlainHTTP(connection{host: c.host}, trust{}); got != c.want {
			t.Errorf("%s %v: plain HTTP %v, want %v", c.host, c.args, got, c.want)
		}
	}
}

func TestResolveFlag(t *testing.T) {
	for in, want := range map[string]string{
		"h:443:10.0.0.1":       "10.0.0.1:443",
		"h:443:10.0.0.1:8443":  "10.0.0.1:8443",
		"h:443:::1":            "[::1]:443",
		"h:443:[fe80::1]":      "[fe80::1]:443",
		"h:443:[fe80::1]:8443": "[fe80::1]:8443",
	} {
		got, err := remoteFlags(t, "--resolve", in).addresses()
		if err != nil || got["h:443"] != want {
			t.Errorf("--resolve %s: %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "h", "h:443", "h:443:", ":443:10.0.0.1", "h:443:name", "h::10.0.0.1"} {
		if got, err := remoteFlags(t, "--resolve", in).addresses(); err == nil {
			t.Errorf("--resolve %q was accepted: %v", in, got)
		}
	}
}

func TestPlatform(t *testing.T) {
	p, err := parsePlatform("windows/amd64/v3:10.0.1")
	want := &ocispec.Platform{OS: "windows", Architecture: "amd64", Variant: "v3", OSVersion: "10.0.1"}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, bad := range []string{"", "/amd64", "linux/", "a/b/c/d"} {
		if _, err := parsePlatform(bad); err == nil {
			t.Errorf("platform %q was accepted", bad)
		}
	}
	arm := &ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	for s, match := range map[string]bool{"linux/arm": true, "linux/arm/v7": true, "linux/arm/v6": false, "linux/arm64": false} {
		p, err := parsePlatform(s)
		if err != nil || matchPlatform(p, arm) != match {
			t.Errorf("%s matches %v: want %v (%v)", s, *arm, match, err)
		}
	}
}
