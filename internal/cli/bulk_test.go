package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// TestBackupFetchesOnce: tags that have content in common, copied at once.
func TestBackupFetchesOnce(t *testing.T) {
	s := newCopySource(t)
	shared := s.AddBlob("shared.txt", []byte("what all have"))
	var tags []string
	for i := range 30 {
		tags = append(tags, fmt.Sprint("t", i))
		s.AddArtifact(t, tags[i], shared, s.AddBlob("own.txt", []byte(tags[i])))
	}
	s.On(http.MethodGet, "/tags/list", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"tags":["%s"]}`, strings.Join(tags, `","`))
	})
	for _, name := range []string{"backup", "backup.tar"} {
		before := s.asked(http.MethodGet, string(shared.Digest))
		out := filepath.Join(t.TempDir(), name)
		code, stdout, stderr := s.run(t.Context(), "backup", "-o", out, s.repo())
		if code != exitOK {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		if n := s.asked(http.MethodGet, string(shared.Digest)) - before; n != 1 {
			t.Errorf("%s: what all have was fetched %d times", name, n)
		}
		line := fmt.Sprintf("Pulled    %s shared.txt\n", shared.Digest.Encoded()[:12])
		if n := strings.Count(stdout, line); n != 1 {
			t.Errorf("%s: what all have was shown %d times:\n%s", name, n, stdout)
		}
		if n := strings.Count(stdout, "\nPulled tag "); n != len(tags) {
			t.Errorf("%s: %d tags", name, n)
		}
	}
}

// failing is a target whose first push fails when it is told to.
type failing struct {
	orlop.Target
	begun chan struct{}
	fail  chan error
}

func (f *failing) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	f.begun <- struct{}{}
	if err := <-f.fail; err != nil {
		return err
	}
	return f.Target.PushBlob(ctx, repo, desc, content)
}

// TestBulkTargetTriesAgain: who waited for a push that fails does it himself.
func TestBulkTargetTriesAgain(t *testing.T) {
	f := &failing{Target: memory.New(), begun: make(chan struct{}), fail: make(chan error)}
	b := newBulkTarget(f, 1)
	content := []byte("content")
	desc := orlop.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	results := make(chan error, 2)
	for range 2 {
		go func() { results <- b.PushBlob(t.Context(), "repo", desc, bytes.NewReader(content)) }()
	}
	<-f.begun
	f.fail <- io.ErrUnexpectedEOF
	if err := <-results; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the first push gave %v", err)
	}
	<-f.begun
	f.fail <- nil
	if err := <-results; err != nil {
		t.Errorf("the second push gave %v", err)
	}
	if d, err := b.StatBlob(t.Context(), "repo", desc.Digest); err != nil || d.Size != desc.Size {
		t.Errorf("stat gave %v, %v", d, err)
	}
}
