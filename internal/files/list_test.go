package files

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orlop/orlop"
)

func list(t *testing.T, content string, desc orlop.Descriptor, l Limits) ([]Entry, error) {
	t.Helper()
	var all []Entry
	for e, err := range ListArchive(t.Context(), strings.NewReader(content), desc, l) {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

func TestListArchive(t *testing.T) {
	plain := tarOf(t, dir("d"), withMode(reg("d/f", "content"), 0o755), symlink("d/l", "f"), hardlink("d/h", "d/f"), special("d/p", tar.TypeFifo), reg("../evil\x1b", "x"))
	when := time.Unix(1_600_000_000, 0)
	want := []Entry{
		{"d", 0, fs.ModeDir | 0o755, when, ""}, {"d/f", 7, 0o755, when, ""}, {"d/l", 0, fs.ModeSymlink | 0o777, when, "f"},
		{"d/h", 0, 0o644, when, "d/f"}, {"d/p", 0, fs.ModeNamedPipe | 0o666, when, ""}, {"../evil\x1b", 1, 0o644, when, ""},
	}
	for _, compression := range []string{Gzip, Zstd, None} {
		content := string(compress(t, compression, plain))
		got, err := list(t, content, describeArchive(content), Limits{})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", compression, err, diff)
		}
		for range ListArchive(t.Context(), strings.NewReader(content), describeArchive(content), Limits{}) {
			break
		}
	}
}

func TestListArchiveRefuses(t *testing.T) {
	good := archive(t, dir("d"), reg("d/f", "content"))
	other := archive(t, dir("d"), reg("d/f", "other"))
	contentDigest := describeArchive(good)
	contentDigest.Annotations[AnnotationDigest] = describeString("other").Digest.String()
	zeros := archive(t, reg("d/zeros", strings.Repeat("\x00", 80<<20)))
	for _, tt := range []struct {
		name, content string
		desc          orlop.Descriptor
		limits        Limits
		want          string
	}{
		{"another archive", other, describeArchive(good), Limits{}, orlop.ErrDamaged.Error()},
		{"longer", good + "x", describeArchive(good), Limits{}, orlop.ErrDamaged.Error()},
		{"cut", good[:len(good)-10], describeArchive(good), Limits{}, "EOF"},
		{"another content digest", good, contentDigest, Limits{}, orlop.ErrDamaged.Error()},
		{"no digest", good, orlop.Descriptor{Size: int64(len(good))}, Limits{}, "digest"},
		{"bomb", zeros, describeArchive(zeros), Limits{Ratio: 2}, errTooLarge.Error()},
		{"entries", good, describeArchive(good), Limits{Entries: 1}, "more than 1 entries"},
	} {
		if _, err := list(t, tt.content, tt.desc, tt.limits); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	broken := io.MultiReader(strings.NewReader(good[:50]), failing{errReset})
	for _, err := range ListArchive(t.Context(), broken, describeArchive(good), Limits{}) {
		if err != nil && !errors.Is(err, errReset) {
			t.Error(err)
		}
	}
}

// zeroFrame returns a frame of zstd with n zero bytes per block, of so many
// blocks, that asks for a window of 1<<log bytes.
func zeroFrame(log, blocks int) string {
	var b bytes.Buffer
	b.WriteString("\x28\xb5\x2f\xfd\x00")
	b.WriteByte(byte(log-10) << 3)
	for i := range blocks {
		const size = 128 << 10
		header := size<<3 | 1<<1 // a run of one byte
		if i == blocks-1 {
			header |= 1
		}
		b.Write([]byte{byte(header), byte(header >> 8), byte(header >> 16), 0})
	}
	return b.String()
}

// Bombs of zstd are refused by the same limits, and a window that takes too much
// memory at once.
func TestZstdBombs(t *testing.T) {
	large := tar.Header{Typeflag: tar.TypeReg, Name: "d/zeros", Size: 1 << 40, Mode: 0o644}
	var h bytes.Buffer
	if err := tar.NewWriter(&h).WriteHeader(&large); err != nil {
		t.Fatal(err)
	}
	header := string(compress(t, Zstd, h.Bytes()))
	for name, tt := range map[string]struct{ content, want string }{
		"ratio":  {header + zeroFrame(17, 8<<10), errTooLarge.Error()}, // 1 GiB in 32 KiB
		"window": {zeroFrame(31, 1), "window size"},
		"frames": {header + strings.Repeat(zeroFrame(27, 1000), 20), errTooLarge.Error()},
	} {
		b := newBox(t, TargetOptions{})
		if err := b.unpack(t, tt.content); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: unpack: %v", name, err)
		}
		b.wantTree(t, map[string]string{})
		if _, err := list(t, tt.content, describeArchive(tt.content), Limits{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: list: %v", name, err)
		}
	}
}
