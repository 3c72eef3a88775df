package test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/testenv"
)

// awaitOffset waits until the server has put away what arrived of a cut
// upload, and returns how many bytes that is.
func awaitOffset(t *testing.T, s *testenv.Server, path string) int {
	t.Helper()
	for t.Context().Err() == nil {
		resp, body := s.Do(t, http.MethodGet, path, nil)
		switch {
		case resp.StatusCode == http.StatusConflict: // the cut request still has it
			continue
		case resp.StatusCode != http.StatusNoContent:
			t.Fatalf("offset of the upload: %s: %s", resp.Status, body)
		}
		var last int
		if _, err := fmt.Sscanf(resp.Header.Get("Range"), "0-%d", &last); err != nil {
			t.Fatalf("Range %q: %v", resp.Header.Get("Range"), err)
		}
		if last > 0 {
			return last + 1
		}
	}
	return 0
}

// resumeUpload goes on with a cut upload where the server says, and checks the
// result. With all, all that was sent must have been kept.
func resumeUpload(t *testing.T, s *testenv.Server, u *slowUpload, all bool) {
	t.Helper()
	offset := awaitOffset(t, s, u.path)
	if all && offset != len(u.content)-len(u.rest) {
		t.Errorf("%d bytes were kept, not %d", offset, len(u.content)-len(u.rest))
	}
	resp, body := s.Do(t, http.MethodPatch, u.path, bytes.NewReader(u.content[offset:]), "Content-Type", "application/octet-stream",
		"Content-Range", fmt.Sprintf("%d-%d", offset, len(u.content)-1))
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("resume: %s: %s", resp.Status, body)
	}
	dgst := digest.FromBytes(u.content)
	resp, body = s.Do(t, http.MethodPut, withQuery(resp.Header.Get("Location"), "digest="+dgst.String()), nil)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("finish: %s: %s", resp.Status, body)
	}
	repo, _, _ := strings.Cut(strings.TrimPrefix(u.path, "/v2/"), "/blobs/")
	resp, body = s.Do(t, http.MethodGet, "/v2/"+repo+"/blobs/"+dgst.String(), nil)
	if resp.StatusCode != http.StatusOK || !bytes.Equal(body, u.content) {
		t.Errorf("read back: %s, %d bytes", resp.Status, len(body))
	}
}

func TestCutUploadGoesOnElsewhereAfterARestart(t *testing.T) {
	for _, size := range []int{1 << 20, 5<<20 + 12345} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			data := t.TempDir()
			s := testenv.Start(t, testenv.Options{Data: data})
			upload := beginUpload(t, s, "resume/cut", random(uint64(size), size))
			upload.conn.Close()
			kept := awaitOffset(t, s, upload.path)
			if kept != size-len(upload.rest) {
				t.Errorf("%d bytes were kept of %d", kept, size-len(upload.rest))
			}
			s.Stop()
			resumeUpload(t, testenv.Start(t, testenv.Options{Data: data}), upload, true)
		})
	}
}

func TestCutUploadGoesOnAfterTheServerWasKilled(t *testing.T) {
	data := t.TempDir()
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
	upload := beginUpload(t, &p.Server, "resume/kill", random(77, 3<<20))
	upload.conn.Close()
	awaitOffset(t, &p.Server, upload.path) // told means kept
	p.Kill()
	again := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
	resumeUpload(t, &again.Server, upload, true)
}
