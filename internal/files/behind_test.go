package files

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestCopyBehind(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 200_000)
	for name, src := range map[string]io.Reader{
		"large pieces": bytes.NewReader(content),
		"small pieces": iotest.HalfReader(bytes.NewReader(content)),
		"with its end": iotest.DataErrReader(bytes.NewReader(content)),
	} {
		var got bytes.Buffer
		n, err := copyBehind(t.Context(), &got, src)
		if err != nil || n != int64(len(content)) || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}

// What was read before an error is written: a download goes on behind it.
func TestCopyBehindBrokenSource(t *testing.T) {
	broken := errors.New("broken")
	var got bytes.Buffer
	n, err := copyBehind(t.Context(), &got, io.MultiReader(bytes.NewReader(make([]byte, 1_000_000)), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || n != 1_000_000 || got.Len() != 1_000_000 {
		t.Errorf("%d bytes counted, %d written, %v", n, got.Len(), err)
	}
}

// fullDisk takes so many bytes.
type fullDisk int

var errFull = errors.New("no space left")

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), int(*d))
	*d -= fullDisk(n)
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestCopyBehindFullDisk(t *testing.T) {
	disk := fullDisk(300_000)
	n, err := copyBehind(t.Context(), &disk, endless{})
	if !errors.Is(err, errFull) || n != 300_000 {
		t.Errorf("%d bytes, %v", n, err)
	}
}
