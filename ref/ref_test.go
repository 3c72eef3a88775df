package ref

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

const (
	sum256 = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	sum512 = "sha512:27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9" +
		"a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd"
)

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want Reference
	}{
		{"localhost/a", Reference{Registry: "localhost", Repository: "a"}},
		{"reg.example:5000/samples/artifact:1.0", Reference{"reg.example:5000", "samples/artifact", "1.0", ""}},
		{"reg.example/a@" + sum256, Reference{"reg.example", "a", "", sum256}},
		{"reg.example/a@" + sum512, Reference{"reg.example", "a", "", sum512}},
		{"reg.example/a:dropped@" + sum256, Reference{"reg.example", "a", "", sum256}},
		{"127.0.0.1:1/a:_", Reference{"127.0.0.1:1", "a", "_", ""}},
		{"[::1]:5000/a:b", Reference{"[::1]:5000", "a", "b", ""}},
		{"[::1]/a:b", Reference{"[::1]", "a", "b", ""}},
		{"REG.example/a:B", Reference{"REG.example", "a", "B", ""}},
		{"my_registry:5000/a__b/c---d.e_f", Reference{"my_registry:5000", "a__b/c---d.e_f", "", ""}},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	hex := strings.TrimPrefix(sum256, "sha256:")
	for _, in := range []string{
		"", "/", "a", "a/", "/a", "reg", "reg:5000", "reg:5000/", "//a", "reg//a", "reg/a/", "reg/a//b",
		// registries
		"reg.example@evil/a", "user:pw@reg.example/a", "https://reg.example/a", "reg.example./a", ".reg/a",
		"reg..example/a", "-reg/a", "reg-/a", "reg:/a", "reg:0/a", "reg:65536/a", "reg:+1/a", "reg:5000:1/a",
		"reg:000001/a", "reg example/a", "reg\t/a", "reg\x00/a", "reg\r\nHost: evil/a", "réseau/a", "reg%2Fa/b",
		"::1/a", "[::1/a", "::1]/a", "[]/a", "[::1%25eth0]/a", "[evil.example]/a", "[::1]evil/a", "reg?/a", "reg#/a", "*.example/a",
		strings.Repeat("a", 300) + "/a",
		// repositories
		"reg/A", "reg/a.", "reg/.a", "reg/a..b", "reg/a___b", "reg/a._b", "reg/a-.b", "reg/-a", "reg/a-", "reg/_a",
		"reg/../a", "reg/a/../b", "reg/./a", "reg/a/..", `reg/a\b`, "reg/a%2Fb", "reg/a b", "reg/a\x00", "reg/a\n", "reg/é",
		"reg/" + strings.Repeat("a", 256), "reg/a?b", "reg/~a", "reg/C:a/b",
		// tags
		"reg/a:", "reg/a:.a", "reg/a:-a", "reg/a:a/b", "reg/a:a b", "reg/a:a:b", "reg/a:..", "reg/a:a\x1b[31m", "reg/a:t1,t2",
		"reg/a:" + strings.Repeat("a", 129), "reg/a:\u202e", "reg/a:a+b", "reg/a:../x@" + sum256,
		// digests
		"reg/a@", "reg/a@" + hex, "reg/a@sha256", "reg/a@sha256:", "reg/a@:" + hex, "reg/a@sha256:" + hex[1:],
		"reg/a@sha256:" + hex + "0", "reg/a@sha256:" + strings.ToUpper(hex), "reg/a@SHA256:" + hex, "reg/a@sha512:" + hex,
		"reg/a@md5:d41d8cd98f00b204e9800998ecf8427e", "reg/a@sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"reg/a@sha384:" + strings.Repeat("0", 96), "reg/a@sha256:../../../../etc/passwd", "reg/a@sha256:" + strings.Repeat("/", 64),
		"reg/a@sha256+b64:" + hex, "reg/a@" + sum256 + "@" + sum256, "reg/a@" + sum256 + ":tag", "reg/a@" + sum256 + "\n", "reg/a@ " + sum256,
	} {
		got, err := Parse(in)
		if err == nil || !errors.Is(err, ErrInvalid) {
			t.Errorf("Parse(%q) = %+v, %v; want ErrInvalid", in, got, err)
		}
		if got != (Reference{}) {
			t.Errorf("Parse(%q) returned %+v with its error", in, got)
		}
	}
}

func TestErrorsAreSafeToPrint(t *testing.T) {
	_, err := Parse("reg/a:\x1b[31m\u202e\r\n" + strings.Repeat("x", 1<<20))
	if s := err.Error(); len(s) > 500 || strings.ContainsAny(s, "\x1b\u202e\r\n") {
		t.Errorf("error of %d bytes: %.200q", len(s), s)
	}
}

func TestReference(t *testing.T) {
	for in, want := range map[string]string{
		"reg/a":                "",
		"reg/a:b":              "b",
		"reg/a@" + sum256:      sum256,
		"reg/a:tag@" + sum256:  sum256,
		"reg/a:tag2@" + sum512: sum512,
	} {
		r, err := Parse(in)
		if err != nil || r.Reference() != want {
			t.Errorf("Parse(%q).Reference() = %q, %v; want %q", in, r.Reference(), err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, name := range []string{"a", "0", "a/b/c/d", strings.Repeat("a", 255), "a-----b", "a__b", "library/hello-world_1.2"} {
		if err := ValidateRepository(name); err != nil {
			t.Error(err)
		}
	}
	for _, tag := range []string{"a", "_", "A.-_", strings.Repeat("a", 128)} {
		if err := ValidateTag(tag); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{sum256, sum512} {
		if d, err := ValidateDigest(s); err != nil || d.String() != s {
			t.Errorf("ValidateDigest(%q) = %q, %v", s, d, err)
		}
	}
	for name, err := range map[string]error{
		"registry":   ValidateRegistry("a b"),
		"repository": ValidateRepository("A"),
		"tag":        ValidateTag("a b"),
		"digest":     second(ValidateDigest("md5:00")),
	} {
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// The specification gives the grammar as regular expressions.
var (
	specName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	specTag  = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// FuzzParse checks that what Parse takes it prints and takes again, and that
// names, tags and digests are those of the specification.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"localhost/a", "reg.example:5000/a/b:1.0", "[::1]:5000/a__b@" + sum256, "reg/a:t@" + sum512, "reg/a._b",
		"reg/../a", "a@b/c", "reg/a:\x00", "reg/a@md5:00", "reg/a---b:_", ":/:@:", "reg/a__/b", "x/--",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if (ValidateRepository(s) == nil) != (len(s) <= maxRepository && specName.MatchString(s)) {
			t.Errorf("repository %q: the specification does not agree", s)
		}
		if (ValidateTag(s) == nil) != specTag.MatchString(s) {
			t.Errorf("tag %q: the specification does not agree", s)
		}
		r, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil || again != r {
			t.Errorf("%+v printed and parsed is %+v, %v", r, again, err)
		}
		if r.Digest != "" && (r.Tag != "" || r.Digest.Validate() != nil) {
			t.Errorf("bad digest in %+v", r)
		}
		if strings.ContainsAny(r.String(), " \t\r\n\x00%?#\\") {
			t.Errorf("%q holds a character that no reference has", r.String())
		}
	})
}

func ExampleParse() {
	r, err := Parse("registry.example:5000/samples/artifact:1.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Registry, r.Repository, r.Reference())
	r.Digest = digest.FromString("{}")
	fmt.Println(r)
	// Output:
	// registry.example:5000 samples/artifact 1.0
	// registry.example:5000/samples/artifact@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
}
