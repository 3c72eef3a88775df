package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// restoreFails restores over a good file and demands that it fails, with an
// error that matches want, and changes nothing.
func restoreFails(t *testing.T, desc orlop.Descriptor, open OpenFunc, want error) {
	t.Helper()
	b := newBox(t, TargetOptions{})
	b.write(t, "out/old", "good")
	for _, name := range []string{"old", "new"} {
		_, err := b.target.Restore(t.Context(), name, desc, open)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.wantTree(t, map[string]string{"out/old": "good"})
}

func TestLyingContent(t *testing.T) {
	content := strings.Repeat("0123456789", 100_000)
	desc := describeString(content)
	wrong := content[:500_000] + "x" + content[500_001:]
	for name, body := range map[string]string{
		"wrong first byte": "x" + content[1:], "wrong byte": wrong, "wrong last byte": content[:len(content)-1] + "x",
		"long": content + "x", "long and wrong": wrong + content, "other": strings.Repeat("y", len(content)),
	} {
		t.Run(name, func(t *testing.T) { restoreFails(t, desc, serve(body, nil), orlop.ErrDamaged) })
	}
	t.Run("endless", func(t *testing.T) {
		restoreFails(t, desc, func(context.Context, int64) (io.ReadCloser, error) { return io.NopCloser(endless{}), nil }, orlop.ErrDamaged)
	})
	t.Run("short", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			restoreFails(t, desc, serve(content[:999_999], nil), io.ErrUnexpectedEOF)
		})
	})
	t.Run("range ignored", func(t *testing.T) {
		restoreFails(t, desc, func(_ context.Context, off int64) (io.ReadCloser, error) {
			body := content
			if off == 0 {
				body = content[:1001]
			}
			return io.NopCloser(strings.NewReader(body)), nil
		}, orlop.ErrDamaged)
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestHostileDescriptors(t *testing.T) {
	for name, desc := range map[string]orlop.Descriptor{
		"negative size":  {Digest: digest.FromString("x"), Size: -1},
		"no digest":      {Size: 1},
		"weak algorithm": {Digest: "md5:9dd4e461268c8034f5c8564e155c67a6", Size: 1},
		"digest a path":  {Digest: "sha256:../../../../evil", Size: 1},
		"upper case":     {Digest: digest.Digest("sha256:" + strings.ToUpper(digest.FromString("x").Encoded())), Size: 1},
	} {
		t.Run(name, func(t *testing.T) { restoreFails(t, desc, serve("x", nil), nil) })
	}
	t.Run("huge size", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			restoreFails(t, orlop.Descriptor{Digest: digest.FromString("x"), Size: 1 << 62}, func(_ context.Context, off int64) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader("x"[min(off, 1):])), nil
			}, io.ErrUnexpectedEOF)
		})
	})
}

// cut serves content, each stream with an end after n bytes that is an error
// or, if fail is nil, looks like a good one.
func cut(content string, n int, fail error, calls *int) OpenFunc {
	return func(_ context.Context, off int64) (io.ReadCloser, error) {
		*calls++
		rest := content[off:]
		if len(rest) <= n {
			return io.NopCloser(strings.NewReader(rest)), nil
		}
		if fail == nil {
			return io.NopCloser(strings.NewReader(rest[:n])), nil
		}
		return io.NopCloser(io.MultiReader(strings.NewReader(rest[:n]), failing{fail})), nil
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestCutStreamGoesOn(t *testing.T) {
	content := strings.Repeat("0123456789", 100_000)
	for _, fail := range []error{nil, io.ErrUnexpectedEOF, errors.New("connection reset")} {
		b, calls := newBox(t, TargetOptions{}), 0
		_, err := b.target.Restore(t.Context(), "f", describeString(content), cut(content, 100_001, fail, &calls))
		if err != nil || calls != 10 {
			t.Errorf("cut by %v: %v after %d streams", fail, err, calls)
		}
		b.wantTree(t, map[string]string{"out/f": content})
	}
}

// trusted is a reader that verifies a blob that is read whole, as it says, and
// ends well whatever it has read.
type trusted struct {
	io.ReadCloser
	desc orlop.Descriptor
}

func (t trusted) Descriptor() orlop.Descriptor { return t.desc }

// A whole blob is verified by its reader, and not again. Parts, and what is not
// the blob that was asked for, are verified here.
func TestWhoVerifies(t *testing.T) {
	content := strings.Repeat("0123456789", 100_000)
	desc := describeString(content)
	wrong := content[:len(content)-1] + "x"
	for _, tt := range []struct {
		name string
		desc orlop.Descriptor // that the reader tells
		cut  int              // of the first stream; 0: none
		want error
	}{
		{"a whole", desc, 0, nil},
		{"parts", desc, 1000, orlop.ErrDamaged},
		{"another blob", describeString(wrong), 0, orlop.ErrDamaged},
	} {
		b := newBox(t, TargetOptions{})
		_, err := b.target.Restore(t.Context(), "f", desc, func(_ context.Context, off int64) (io.ReadCloser, error) {
			r := io.Reader(strings.NewReader(wrong[off:]))
			if off == 0 && tt.cut > 0 {
				r = io.LimitReader(r, int64(tt.cut))
			}
			return trusted{io.NopCloser(r), tt.desc}, nil
		})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestGivingUp(t *testing.T) {
	reset := errors.New("connection reset")
	for _, tt := range []struct {
		name  string
		fail  error
		calls int
	}{
		{"connection", reset, maxIdle},
		{"answer", orlop.ErrBlobUnknown, 1},
		{"damage", orlop.ErrDamaged, 1},
		{"registry that was tried often", orlop.ErrGaveUp, 1},
	} {
		synctest.Test(t, func(t *testing.T) { // pauses take no time
			for _, open := range []func(calls *int) OpenFunc{
				func(calls *int) OpenFunc { return cut("content", 0, tt.fail, calls) },
				func(calls *int) OpenFunc {
					return func(context.Context, int64) (io.ReadCloser, error) { *calls++; return nil, tt.fail }
				},
			} {
				b, calls := newBox(t, TargetOptions{}), 0
				_, err := b.target.Restore(t.Context(), "f", describeString("content"), open(&calls))
				if !errors.Is(err, tt.fail) || calls != tt.calls {
					t.Errorf("%s: %v after %d calls", tt.name, err, calls)
				}
				b.wantTree(t, map[string]string{})
			}
		})
	}
	// A stream of one byte at a time makes progress, but not for ever.
	synctest.Test(t, func(t *testing.T) {
		b, calls, content := newBox(t, TargetOptions{}), 0, strings.Repeat("x", 1000)
		_, err := b.target.Restore(t.Context(), "f", describeString(content), cut(content, 1, reset, &calls))
		if !errors.Is(err, reset) || calls != maxAttempts {
			t.Errorf("%v after %d calls", err, calls)
		}
	})
}

func TestCancelLeavesNothing(t *testing.T) {
	b := newBox(t, TargetOptions{})
	b.write(t, "out/f", "good")
	for _, desc := range []orlop.Descriptor{describeString("content"), describeArchive("content")} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := b.target.Restore(ctx, "f", desc, func(context.Context, int64) (io.ReadCloser, error) {
			cancel()
			return io.NopCloser(strings.NewReader("content")), nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Restore: %v", err)
		}
	}
	b.wantTree(t, map[string]string{"out/f": "good"})
}

func TestSHA512(t *testing.T) {
	b := newBox(t, TargetOptions{})
	desc := orlop.Descriptor{Digest: digest.SHA512.FromString("x"), Size: 1}
	if _, err := b.target.Restore(t.Context(), "f", desc, serve("x", nil)); err != nil {
		t.Error(err)
	}
	if _, err := b.target.Restore(t.Context(), "g", desc, serve("y", nil)); !errors.Is(err, orlop.ErrDamaged) {
		t.Errorf("Restore: %v", err)
	}
}

// A pull of what a source offers, byte for byte.
func TestFromSourceToTarget(t *testing.T) {
	inDir(t, map[string]string{"a": strings.Repeat("a", 1<<20)})
	s := load(t, LoadOptions{}, Arg{"a", ""})
	b := newBox(t, TargetOptions{})
	layer := s.Layers()[0]
	_, err := b.target.Restore(t.Context(), "a", layer, func(ctx context.Context, off int64) (io.ReadCloser, error) {
		return s.OpenBlob(ctx, "", layer.Digest, off, -1)
	})
	if err != nil || !bytes.Equal([]byte(b.tree(t)[filepath.Join("out", "a")]), bytes.Repeat([]byte("a"), 1<<20)) {
		t.Errorf("Restore: %v", err)
	}
}
