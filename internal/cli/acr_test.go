package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// dataPlane is a registry whose data plane is a handler. It wants no
// credentials.
func dataPlane(t *testing.T, h http.HandlerFunc) (host string) {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// TestACRPages follows the pages of a list, as few or as many as are wanted.
func TestACRPages(t *testing.T) {
	const all = 250
	host := dataPlane(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		last, _ := strconv.Atoi(r.FormValue("last"))
		var items []string
		for i := last + 1; i <= min(last+n, all); i++ {
			items = append(items, fmt.Sprintf(`{"name":"%d","digest":"sha256:x"}`, i))
		}
		if last+n < all {
			w.Header().Set("Link", fmt.Sprintf(`</acr/v1/a/_tags?n=%d&last=%d&orderby=>; rel="next"`, n, last+n))
		}
		fmt.Fprintf(w, `{"tags":[%s]}`, strings.Join(items, ","))
	})
	for top, want := range map[string]int{"0": all, "1": 1, "100": 100, "101": 101, "1000": all} {
		code, stdout, stderr := run(t, t.Context(), testEnv(t), "acr", "repository", "show-tags", "-n", host, "--repository", "a",
			"-o", "tsv", "--top", top)
		if code != exitOK || strings.Count(stdout, "\n") != want {
			t.Errorf("--top %s: exit code %d, %d lines, errors %q", top, code, strings.Count(stdout, "\n"), stderr)
		}
	}
}

// TestACRHostileAnswers wants an error, in good time, whatever is answered.
func TestACRHostileAnswers(t *testing.T) {
	endless := `{"tags":[{"name":"x","digest":"y"}]}`
	big := `{"tags":[{"name":"` + strings.Repeat("x", 1<<20) + `"}]}`
	for name, answer := range map[string]http.HandlerFunc{
		"no JSON":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"another key":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"repositories":[]}`) },
		"no object":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `[1]`) },
		"no list":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"tags":"x"}`) },
		"no tags":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"tags":[1,2]}`) },
		"nothing":        func(http.ResponseWriter, *http.Request) {},
		"a lie of 404":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"another origin": linked(`<http://example.com/acr/v1/a/_tags>; rel="next"`, endless, http.StatusGone),
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			for range maxAnswer >> 20 {
				io.WriteString(w, big)
			}
		},
		"no end": func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.FormValue("last"))
			w.Header().Set("Link", fmt.Sprintf(`</acr/v1/a/_tags?last=%d>; rel="next"`, n+1))
			io.WriteString(w, big)
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"tags":[`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := dataPlane(t, answer)
			code, stdout, stderr := run(t, t.Context(), testEnv(t), "acr", "repository", "show-tags", "-n", host, "--repository", "a", "--retries", "0")
			if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "Error") {
				t.Errorf("exit code %d, output %.100q, errors %.300q", code, stdout, stderr)
			}
		})
	}
}

// linked answers once with a link to another page, and then with a status.
func linked(link, body string, then int) http.HandlerFunc {
	var asked atomic.Int32
	return func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			w.WriteHeader(then)
			return
		}
		w.Header().Set("Link", link)
		io.WriteString(w, body)
	}
}

// TestACRListEnds: a page that names itself as the next one is the last.
func TestACRListEnds(t *testing.T) {
	host := dataPlane(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "<"+r.URL.RequestURI()+`>; rel="next"`)
		io.WriteString(w, `{"tags":[{"name":"x","digest":"y"}]}`)
	})
	code, stdout, stderr := run(t, t.Context(), testEnv(t), "acr", "repository", "show-tags", "-n", host, "--repository", "a", "-o", "tsv")
	if code != exitOK || stdout != "x\n" {
		t.Errorf("exit code %d, output %q, errors %q", code, stdout, stderr)
	}
}

// TestACRTriesAgain: what fails for a passing reason is sent again, with its
// body.
func TestACRTriesAgain(t *testing.T) {
	var asked atomic.Int32
	var bodies []string
	host := dataPlane(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Method+" "+string(raw))
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, `{"tag":{"name":"1"}}`)
	})
	code, stdout, stderr := run(t, t.Context(), testEnv(t), "acr", "repository", "update", "-n", host, "-t", "a:1",
		"--write-enabled", "false", "--query", "name", "-o", "tsv")
	want := `PATCH {"writeEnabled":false}`
	if code != exitOK || stdout != "1\n" || !slices.Equal(bodies, []string{want, want, want}) {
		t.Errorf("exit code %d, output %q, errors %q, requests %q", code, stdout, stderr, bodies)
	}
}

// TestACREscapes shows nothing from a registry to a terminal unescaped, and
// JSON as it is.
func TestACREscapes(t *testing.T) {
	host := dataPlane(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"tags":[{"name":"\u001b[2Jx\ny","digest":"z"}]}`)
	})
	for format, want := range map[string]string{
		"tsv": `\x1b[2Jx\x0ay` + "\n", "table": `\x1b[2Jx\x0ay`, "yaml": `- "\x1b[2Jx\ny"`, "json": `"\u001b[2Jx\ny"`,
	} {
		_, stdout, _ := run(t, t.Context(), testEnv(t), "acr", "repository", "show-tags", "-n", host, "--repository", "a", "-o", format)
		if strings.Contains(stdout, "\x1b") || !strings.Contains(stdout, want) {
			t.Errorf("%s: %q, want %q", format, stdout, want)
		}
	}
}

func TestParseImage(t *testing.T) {
	const dgst = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, c := range []struct {
		name string
		form imageForm
		want string // "": an error
	}{
		{"a/b:1", byEither, "a/b:1"}, {"a", byEither, "a:latest"}, {"a@" + dgst, byEither, "a@" + dgst}, {"a:1@" + dgst, byEither, "a@" + dgst},
		{"a:1", byTag, "a:1"}, {"a", byTag, "a:latest"}, {"a@" + dgst, byTag, ""},
		{"a", byNothing, "a"}, {"a:1", byNothing, ""}, {"a@" + dgst, byNothing, ""},
		{"a", byTagOrNone, "a"}, {"a:1", byTagOrNone, "a:1"}, {"a@" + dgst, byTagOrNone, ""},
		{"A:1", byEither, ""}, {"", byEither, ""}, {"a:", byEither, ""}, {"../a:1", byEither, ""}, {"a?x=1:1", byEither, ""},
	} {
		im, err := parseImage(c.name, c.form)
		if (err != nil) != (c.want == "") || err == nil && im.String() != c.want {
			t.Errorf("parseImage(%q, %d) = %q, %v, want %q", c.name, c.form, im, err, c.want)
		}
	}
}

func TestCutLoginServer(t *testing.T) {
	for in, want := range map[string][2]string{
		"myregistry.example/a/b:1": {"myregistry.example", "a/b:1"}, "https://myregistry.example:5000/a": {"myregistry.example:5000", "a"},
		"localhost:5000/a": {"localhost:5000", "a"}, "a": {}, "/a": {}, "a b/c": {}, "http://x/a": {},
	} {
		host, name, err := cutLoginServer(in, byEither)
		if [2]string{host, name} != want || (err != nil) != (want[0] == "") {
			t.Errorf("cutLoginServer(%q) = %q, %q, %v", in, host, name, err)
		}
	}
}

func TestJoinSwitches(t *testing.T) {
	for in, want := range map[string]string{
		"acr x --write-enabled false --top 1":             "acr x --write-enabled=false --top 1",
		"acr x --write-enabled --delete-enabled FALSE":    "acr x --write-enabled --delete-enabled=false",
		"acr x --read-enabled=true --list-enabled":        "acr x --read-enabled=true --list-enabled",
		"acr x --write-enabled no":                        "acr x --write-enabled no",
		"push x --write-enabled false":                    "push x --write-enabled false",
		"acr x --write-enabled true true --name truethat": "acr x --write-enabled=true true --name truethat",
		"": "",
	} {
		if got := strings.Join(joinSwitches(strings.Fields(in)), " "); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestKeyOrder(t *testing.T) {
	document := `[{"name":"x","digest":"y","a":{"z":1,"b":2}}]`
	for _, c := range []struct {
		query string
		table bool
		keys  []string
		want  string
	}{
		{"[].{Tag:name,Digest:digest}", false, []string{"Digest", "Tag"}, "Tag Digest"},
		{"[].{b:name,a:{z:digest,y:name}} | [0]", false, []string{"a", "b"}, "b a"},
		{"[].{b:name,a:{z:digest,y:name}} | [0]", false, []string{"y", "z"}, "z y"},
		{"[?name=='ASTKeyValPair {'].{n:name}", false, []string{"n"}, "n"},
		{"[0]", false, []string{"a", "digest", "name"}, "a digest name"},
		{"[0]", true, []string{"a", "digest", "name"}, "name digest a"},
		{"[0].a", true, []string{"b", "z"}, "z b"},
	} {
		object := map[string]any{}
		for _, k := range c.keys {
			object[k] = 1
		}
		if got := strings.Join(keyOrder(c.query, []byte(document), c.table).Keys(object), " "); got != c.want {
			t.Errorf("%s: keys are in the order %s, want %s", c.query, got, c.want)
		}
	}
}

// FuzzKeyOrder: whatever the query is, a hash's keys are those that it has.
func FuzzKeyOrder(f *testing.F) {
	for _, q := range []string{"[].{a:b}", "{x:{y:@}}", `{"a\nASTKeyValPair {":b}`, "`{}`", "[?a=='}'].{c:d}"} {
		f.Add(q, `{"a":[{"b":1}]}`)
	}
	f.Fuzz(func(t *testing.T, query, document string) {
		for _, keys := range keyOrder(query, []byte(document), true) {
			if len(keys) > len(query)+len(document) {
				t.Errorf("%d keys", len(keys))
			}
		}
	})
}
