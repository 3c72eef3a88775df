package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

// copySource is a registry with a repository to copy from.
type copySource struct {
	*testenv.Liar
	t *testing.T
}

func newCopySource(t *testing.T) copySource {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	s := copySource{testenv.StartLiar(t, testenv.LiarOptions{}), t}
	s.On(http.MethodGet, "/tags/list", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"tags":["bad","gone","good","other"]}`)
	})
	for _, tag := range []string{"bad", "good", "other"} {
		s.AddArtifact(t, tag, s.AddBlob(tag+".txt", []byte("content of "+tag)))
	}
	return s
}

func (s copySource) repo() string { return s.Address + "/repo" }

// asked is how many requests of a method there were whose path has a part.
func (s copySource) asked(method, part string) (n int) {
	for _, r := range s.Requests() {
		if r.Method == method && strings.Contains(r.Path, part) {
			n++
		}
	}
	return n
}

func (s copySource) run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	return run(s.t, ctx, testEnv(s.t), args...)
}

// hang makes a blob of the source one that never comes. It tells when it was
// asked for.
func (s copySource) hang(content string) (asked <-chan struct{}) {
	requests := make(chan struct{}, 100)
	s.On(http.MethodGet, string(s.AddBlob("", []byte(content)).Digest), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.(http.Flusher).Flush()
		requests <- struct{}{}
		<-r.Context().Done()
	})
	return requests
}

// interrupted runs a command line and interrupts it when it waits.
func (s copySource) interrupted(asked <-chan struct{}, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if code, _, stderr := s.run(ctx, args...); code != exitInterrupted {
		s.t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestCopyInterrupted: no tag is left whose content is not there.
func TestCopyInterrupted(t *testing.T) {
	s := newCopySource(t)
	asked := s.hang("content of good")
	dir := t.TempDir()
	lay, tar := filepath.Join(dir, "lay"), filepath.Join(dir, "lay.tar")
	s.interrupted(asked, "cp", s.repo()+":good", "--to-oci-layout", lay+":good")
	if code, _, _ := s.run(t.Context(), "resolve", "--oci-layout", lay+":good"); code != exitNotFound {
		t.Errorf("the tag of a layout that was interrupted: exit code %d", code)
	}
	s.interrupted(asked, "cp", s.repo()+":good", "--to-oci-layout", tar+":good")
	if names, _ := filepath.Glob(tar + "*"); len(names) > 0 {
		t.Errorf("files are left: %q", names)
	}
	s.On(http.MethodHead, "/other/", http.NotFound)
	s.interrupted(asked, "cp", s.repo()+":good", s.Address+"/other:good")
	if n := s.asked(http.MethodPut, "/other/manifests/"); n > 0 {
		t.Error("a manifest was pushed before its blobs")
	}
}

// TestBackupGoesOn: what a cut backup has is not fetched again.
func TestBackupGoesOn(t *testing.T) {
	s := newCopySource(t)
	out := filepath.Join(t.TempDir(), "backup")
	s.interrupted(s.hang("content of other"), "backup", "--concurrency", "1", "-o", out, s.repo()+":good,other")
	good := string(s.AddBlob("", []byte("content of good")).Digest)
	if n := s.asked(http.MethodGet, good); n != 1 {
		t.Fatalf("a blob was asked for %d times", n)
	}
	other := s.AddBlob("", []byte("content of other"))
	s.On(http.MethodGet, string(other.Digest), func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "content of other")
	})
	code, stdout, stderr := s.run(t.Context(), "backup", "-o", out, s.repo()+":good,other")
	if code != exitOK {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	if n := s.asked(http.MethodGet, good); n != 1 {
		t.Errorf("a blob was asked for %d times", n)
	}
	for _, tag := range []string{"good", "other"} {
		if code, _, stderr := s.run(t.Context(), "pull", "--oci-layout", out+":"+tag, "-o", t.TempDir()); code != exitOK {
			t.Errorf("%s: exit code %d: %s", tag, code, stderr)
		}
	}
}

// TestBackupWithoutBadTags: one is listed but gone, another damaged.
func TestBackupWithoutBadTags(t *testing.T) {
	s := newCopySource(t)
	s.On(http.MethodGet, string(s.AddBlob("", []byte("content of bad")).Digest), func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "content of BAD")
	})
	for _, name := range []string{"backup", "backup.tar"} {
		out := filepath.Join(t.TempDir(), name)
		code, stdout, stderr := s.run(t.Context(), "backup", "-o", out, s.repo())
		if code != exitFailed || !strings.Contains(stdout, "Successfully backed up 2 tag(s)") {
			t.Errorf("exit code %d, output %s", code, stdout)
		}
		for _, want := range []string{
			"Failed tag bad: ", "damaged", "Failed tag gone: manifest unknown: ", "Error: 2 of 4 tags could not be backed up\n",
		} {
			if !strings.Contains(stderr, want) {
				t.Errorf("errors %q lack %q", stderr, want)
			}
		}
		if _, stdout, _ := s.run(t.Context(), "repo", "tags", "--oci-layout", out); stdout != "good\nother\n" {
			t.Errorf("tags %q", stdout)
		}
	}
}

// TestBackupStops where nothing more could succeed.
func TestBackupStops(t *testing.T) {
	s := newCopySource(t)
	s.On(http.MethodGet, "/manifests/sha256:", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	})
	code, stdout, stderr := s.run(t.Context(), "backup", "-o", filepath.Join(t.TempDir(), "backup"), s.repo()+":good,other")
	if code != exitDenied || strings.Contains(stdout, "Successfully") || strings.Contains(stderr, "Failed tag") {
		t.Errorf("exit code %d, output %q, errors %q", code, stdout, stderr)
	}
}

// TestBackupNowhere: the path is that of something else.
func TestBackupNowhere(t *testing.T) {
	s := newCopySource(t)
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "mine")
	for _, out := range []string{file, filepath.Join(file, "x.tar")} {
		if code, _, stderr := s.run(t.Context(), "backup", "-o", out, s.repo()+":good"); code != exitFailed {
			t.Errorf("%s: exit code %d: %s", out, code, stderr)
		}
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "mine" {
		t.Errorf("the file holds %q, %v", raw, err)
	}
}

// TestBackupOfEndlessTags: a registry lists tags for ever, or bad ones.
func TestBackupOfEndlessTags(t *testing.T) {
	s := newCopySource(t)
	page := 0
	s.On(http.MethodGet, "/tags/list", func(w http.ResponseWriter, r *http.Request) {
		tags := make([]string, 20_000)
		for i := range tags {
			tags[i] = fmt.Sprintf("%q", fmt.Sprintf("t%06d-%05d", page, i))
		}
		page++
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=%d>; rel="next"`, r.URL.Path, page))
		fmt.Fprintf(w, `{"tags":[%s]}`, strings.Join(tags, ","))
	})
	out := filepath.Join(t.TempDir(), "backup")
	code, _, stderr := s.run(t.Context(), "backup", "-o", out, s.repo())
	if code != exitFailed || !strings.Contains(stderr, "has more than 250000 tags") {
		t.Errorf("exit code %d, errors %q", code, stderr)
	}
	s.On(http.MethodGet, "/tags/list", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"tags":["../../evil","\u001b[2Jcleared","good","good"]}`)
	})
	code, stdout, stderr := s.run(t.Context(), "backup", "-o", out, s.repo())
	if code != exitFailed || !strings.Contains(stdout, "Found 1 tag(s)") || strings.Contains(stdout+stderr, "\x1b") {
		t.Errorf("exit code %d, output %q, errors %q", code, stdout, stderr)
	}
}
