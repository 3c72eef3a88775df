package smallblobs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
)

const foo = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

func frame(content string) string {
	return string(AppendHead(nil, digest.FromString(content), len(content))) + content
}

func TestReadAll(t *testing.T) {
	many := strings.Repeat(frame(""), MaxBlobs)
	large := frame(strings.Repeat("x", MaxBlob))
	for _, c := range []struct {
		name, in string
		n        int
		err      error
	}{
		{"nothing", "", 0, nil},
		{"one", foo + " 3\nfoo", 1, nil},
		{"two and an empty one", frame("a") + frame("") + frame("b"), 3, nil},
		{"the same twice", frame("a") + frame("a"), 2, nil},
		{"as many as may be", many, MaxBlobs, nil},
		{"one too many", many + frame("a"), 0, ErrTooLarge},
		{"as large as may be", large, 1, nil},
		{"as much as may be", strings.Repeat(large, MaxTotal/MaxBlob), MaxTotal / MaxBlob, nil},
		{"too much in all", strings.Repeat(large, MaxTotal/MaxBlob) + frame("a"), 0, ErrTooLarge},
		{"one too large", foo + fmt.Sprintf(" %d\n", MaxBlob+1), 0, ErrTooLarge},
		{"a size beyond all numbers", foo + " 9999999999999999999999\n", 0, ErrFormat},
		{"a size that overflows", foo + " 18446744073709551615\n", 0, ErrFormat},
		{"a negative size", foo + " -2\n", 0, ErrFormat},
		{"without content", foo + " -1\n", 0, ErrFormat},
		{"a size with a sign", foo + " +3\nfoo", 0, ErrFormat},
		{"a size with zeros", foo + " 03\nfoo", 0, ErrFormat},
		{"a size with blanks", foo + "  3\nfoo", 0, ErrFormat},
		{"a size with a carriage return", foo + " 3\r\nfoo", 0, ErrFormat},
		{"no size", foo + "\nfoo", 0, ErrFormat},
		{"no digest", " 3\nfoo", 0, ErrFormat},
		{"an unknown algorithm", "md5:acbd18db4cc2f85cedef654fccc4a4d8 3\nfoo", 0, ErrFormat},
		{"capitals", strings.ToUpper(foo) + " 3\nfoo", 0, ErrFormat},
		{"more content than was said", foo + " 2\nfoo", 0, io.ErrUnexpectedEOF},
		{"less content than was said", foo + " 4\nfoo", 0, io.ErrUnexpectedEOF},
		{"a cut line", foo[:20], 0, io.ErrUnexpectedEOF},
		{"a line without end", strings.Repeat("a", 1<<20), 0, ErrFormat},
		{"a long line", strings.Repeat("a", 300) + "\n", 0, ErrFormat},
		{"zeros", strings.Repeat("\x00", 100) + "\n", 0, ErrFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.in), iotest.HalfReader(strings.NewReader(c.in))} {
				blobs, err := ReadAll(r)
				if !errors.Is(err, c.err) || len(blobs) != c.n {
					t.Errorf("%d blobs, error %v; want %d, %v", len(blobs), err, c.n, c.err)
				}
				for _, b := range blobs {
					if !b.Whole() {
						t.Errorf("the content of %s is another", b.Digest)
					}
				}
			}
		})
	}
}

// TestEndless checks that a stream without end is read only as far as the
// bounds.
func TestEndless(t *testing.T) {
	count := &counter{r: endless{}}
	if _, err := ReadAll(count); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if count.n > 2*MaxTotal {
		t.Errorf("%d bytes were read", count.n)
	}
}

// endless repeats the frame of an empty blob.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	head := frame("")
	if len(p) < len(head) {
		return 0, io.ErrShortBuffer
	}
	return copy(p, strings.Repeat(head, len(p)/len(head))), nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func TestReadList(t *testing.T) {
	for _, c := range []struct {
		name, in string
		n        int
		err      error
	}{
		{"nothing", "", 0, nil},
		{"the same twice", foo + "\n" + foo + "\n", 2, nil},
		{"as many as may be", strings.Repeat(foo+"\n", MaxBlobs), MaxBlobs, nil},
		{"one too many", strings.Repeat(foo+"\n", MaxBlobs+1), 0, ErrTooLarge},
		{"without an end of the line", foo, 0, io.ErrUnexpectedEOF},
		{"a size", foo + " 3\n", 0, ErrFormat},
		{"an empty line", foo + "\n\n", 0, ErrFormat},
	} {
		list, err := ReadList(strings.NewReader(c.in))
		if !errors.Is(err, c.err) || len(list) != c.n {
			t.Errorf("%s: %d digests, error %v; want %d, %v", c.name, len(list), err, c.n, c.err)
		}
	}
}

func TestOffered(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   bool
	}{
		{nil, false},
		{[]string{"blobs"}, true},
		{[]string{"other, blobs"}, true},
		{[]string{"other", "blobs"}, true},
		{[]string{"blobs2"}, false},
		{[]string{"no blobs"}, false},
	} {
		if got := Offered(c.values); got != c.want {
			t.Errorf("Offered(%q) = %v", c.values, got)
		}
	}
}

// FuzzReader reads whatever comes. What is read of it, written again, is read as
// the same.
func FuzzReader(f *testing.F) {
	f.Add([]byte(frame("a") + frame("") + foo + " -1\n"))
	f.Add([]byte(foo + " 4\nfoo"))
	f.Add([]byte(foo + " 18446744073709551615\n"))
	f.Add([]byte(strings.Repeat("a", 300)))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out []byte
		r := NewReader(bytes.NewReader(in))
		total := 0
		for n := 0; ; n++ {
			b, err := r.Next()
			if err != nil {
				if err == io.EOF && !bytes.Equal(in, out) {
					t.Fatalf("%q was read as %q", in, out)
				}
				return
			}
			if total += len(b.Content); n >= MaxBlobs || len(b.Content) > MaxBlob || total > MaxTotal {
				t.Fatalf("%d blobs, %d bytes", n+1, total)
			}
			size := len(b.Content)
			if b.Content == nil {
				size = -1
			}
			out = append(AppendHead(out, b.Digest, size), b.Content...)
			if !bytes.HasPrefix(in, out) {
				t.Fatalf("%q was read as %q", in, out)
			}
		}
	})
}
