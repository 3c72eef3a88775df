package files

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// entry is one entry of an archive for a test.
type testEntry struct {
	tar.Header
	content string
}

func reg(name, content string) testEntry {
	return testEntry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}, content}
}

func dir(name string) testEntry {
	return testEntry{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, ""}
}

func symlink(name, target string) testEntry {
	return testEntry{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, ""}
}

func hardlink(name, target string) testEntry {
	return testEntry{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}, ""}
}

func special(name string, typeflag byte) testEntry {
	return testEntry{tar.Header{Typeflag: typeflag, Name: name, Mode: 0o666, Devmajor: 1, Devminor: 5}, ""}
}

func withMode(e testEntry, mode int64) testEntry {
	e.Mode = mode
	return e
}

func archive(t *testing.T, entries ...testEntry) string {
	t.Helper()
	return gzipped(string(tarOf(t, entries...)))
}

func tarOf(t testing.TB, entries ...testEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, e := range entries {
		if e.Typeflag != tar.TypeXGlobalHeader {
			e.ModTime = time.Unix(1_600_000_000, 0)
		}
		if strings.Contains(e.Name, "\x00") {
			e.Name = strings.ReplaceAll(e.Name, "\x00", "0") // a tar cannot say it; the title can
		}
		if err := tw.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func describeArchive(content string) orlop.Descriptor {
	desc := describeString(content)
	desc.MediaType = ocispec.MediaTypeImageLayerGzip
	desc.Annotations = map[string]string{AnnotationUnpack: "true"}
	return desc
}

func (b box) unpack(t *testing.T, content string) error {
	t.Helper()
	got, err := b.target.Restore(t.Context(), "d", describeArchive(content), serve(content, nil))
	if want := filepath.Join(b.dir, "out", "d") + string(filepath.Separator); err == nil && got.Path != want {
		t.Errorf("Path = %q", got.Path)
	}
	return err
}

func TestPackAndUnpack(t *testing.T) {
	makeTree(t)
	for _, compression := range []string{Gzip, Zstd, None} {
		s := load(t, LoadOptions{Compression: compression}, Arg{"tree", ""})
		b := newBox(t, TargetOptions{})
		layer := s.Layers()[0]
		for round := range 2 { // into nothing, and over itself
			_, err := b.target.Restore(t.Context(), "tree", layer, func(ctx context.Context, off int64) (io.ReadCloser, error) {
				return s.OpenBlob(ctx, "", layer.Digest, off, -1)
			})
			if err != nil {
				t.Fatal(err)
			}
			b.wantTree(t, map[string]string{
				"out/tree": "", "out/tree/a": "", "out/tree/a/deep": "", "out/tree/a/deep/x": "xx", "out/tree/a/link": "-> ../b.txt",
				"out/tree/a-b": "", "out/tree/b.txt": "b", "out/tree/empty": "",
			})
			if round == 0 {
				checkModes(t, filepath.Join(b.dir, "out", "tree"))
			}
		}
	}
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	for name, mode := range map[string]fs.FileMode{"a-b": 0o600, "b.txt": 0o755, "a/deep": 0o755 | fs.ModeDir} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != mode || info.ModTime().Unix() != 1_600_000_000 {
			t.Errorf("%s: %v %v, %v", name, info.Mode(), info.ModTime(), err)
		}
	}
}

func TestUnpackIntoTheFolder(t *testing.T) {
	b := newBox(t, TargetOptions{})
	b.write(t, "out/mine", "mine")
	content := archive(t, dir("."), reg("f", "f"), dir("./sub"), reg("sub/g", "g"), symlink("sub/l", "../f"))
	got, err := b.target.Restore(t.Context(), ".", describeArchive(content), serve(content, nil))
	if err != nil || got.Path != filepath.Join(b.dir, "out")+string(filepath.Separator) {
		t.Errorf("Restore = %+v, %v", got, err)
	}
	b.wantTree(t, map[string]string{"out/mine": "mine", "out/f": "f", "out/sub": "", "out/sub/g": "g", "out/sub/l": "-> ../f"})
}

// Archives that must be refused, and leave nothing behind anywhere.
func TestEvilArchives(t *testing.T) {
	for name, entries := range map[string][]testEntry{
		"dotdot":                       {reg("../evil", "x")},
		"dotdot below the title":       {reg("d/../../evil", "x")},
		"dotdot that returns":          {reg("d/../d/evil", "x")},
		"deep dotdot":                  {reg("d/a/../../../outside/secret", "x")},
		"absolute":                     {reg("/evil", "x")},
		"absolute below the title":     {reg("d//../../evil", "x")},
		"outside of the title":         {dir("d"), reg("e/evil", "x")},
		"title as a prefix":            {reg("dd/evil", "x")},
		"the title is a file":          {reg("d", "x")},
		"the title is a link":          {symlink("d", "../outside"), reg("d/evil", "x")},
		"link out":                     {symlink("d/l", "../../outside")},
		"link out to a file":           {symlink("d/l", "../../outside/secret"), reg("d/l", "x")},
		"absolute link":                {symlink("d/l", "/etc")},
		"write through a link":         {dir("d/sub"), symlink("d/l", "sub"), reg("d/l/evil", "x")},
		"write through a link out":     {symlink("d/l", "../.."), reg("d/l/evil", "x")},
		"chain of links":               {dir("d/a/b"), symlink("d/a/b/up", "../.."), symlink("d/a/l", "b/up/../../outside"), reg("d/a/l/evil", "x")},
		"link to itself":               {symlink("d/l", "l"), reg("d/l/evil", "x")},
		"directory becomes a link":     {dir("d/sub"), symlink("d/sub", "../../outside"), reg("d/sub/evil", "x")},
		"directory over a link":        {symlink("d/l", "."), dir("d/l")},
		"directory becomes a file":     {dir("d/sub"), reg("d/sub", "x")},
		"file as a directory":          {reg("d/f", "x"), reg("d/f/g", "x")},
		"hard link out, absolute":      {hardlink("d/h", "/etc/passwd")},
		"hard link out, dotdot":        {hardlink("d/h", "d/../../outside/secret")},
		"hard link out of the title":   {hardlink("d/h", "outside/secret")},
		"hard link, to the cwd":        {hardlink("d/h", "f")},
		"hard link through a link":     {dir("d/sub"), reg("d/sub/f", "x"), symlink("d/l", "sub"), hardlink("d/h", "d/l/f")},
		"hard link to a link":          {symlink("d/l", "f"), hardlink("d/h", "d/l")},
		"hard link to a directory":     {dir("d/sub"), hardlink("d/h", "d/sub")},
		"hard link to nothing":         {hardlink("d/h", "d/absent")},
		"good entries, then a bad one": {dir("d"), reg("d/a", "a"), reg("d/b/c", "c"), reg("../evil", "x")},
		"unknown type":                 {special("d/x", 'Z')},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, TargetOptions{})
			b.write(t, "out/d/mine", "mine")
			for _, compression := range []string{Gzip, Zstd, None} {
				if err := b.unpack(t, string(compress(t, compression, tarOf(t, entries...)))); err == nil {
					t.Error("the archive was accepted")
				}
			}
			b.wantTree(t, map[string]string{"out/d": "", "out/d/mine": "mine"})
			if info, _ := os.Stat(filepath.Join(b.dir, "outside/secret")); info.Mode().Perm() != 0o644 {
				t.Errorf("permissions outside: %v", info.Mode())
			}
		})
	}
}

// Entries that are left out or made harmless.
func TestHarmlessEntries(t *testing.T) {
	b := newBox(t, TargetOptions{})
	content := archive(t,
		testEntry{tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}}, ""},
		special("d/null", tar.TypeChar), special("d/disk", tar.TypeBlock), special("d/pipe", tar.TypeFifo),
		withMode(reg("d/setuid", "s"), 0o6755), withMode(dir("d/sticky"), 0o3755),
		withMode(dir("d/closed"), 0o555), withMode(reg("d/closed/f", "f"), 0o444),
		reg("d/twice", "first"), reg("d/twice", "second"), hardlink("d/hard", "d/twice"), hardlink("d/hard", "d/hard"),
		symlink("d/dangling", "absent"), reg("d/implied/by/name", "n"),
	)
	if err := b.unpack(t, content); err != nil {
		t.Fatal(err)
	}
	b.wantTree(t, map[string]string{
		"out/d": "", "out/d/setuid": "s", "out/d/sticky": "", "out/d/closed": "", "out/d/closed/f": "f", "out/d/twice": "second",
		"out/d/hard": "second", "out/d/dangling": "-> absent", "out/d/implied": "", "out/d/implied/by": "", "out/d/implied/by/name": "n",
	})
	for name, mode := range map[string]fs.FileMode{"setuid": 0o755, "sticky": 0o755 | fs.ModeDir, "closed": 0o555 | fs.ModeDir, "closed/f": 0o444} {
		if info, err := os.Stat(filepath.Join(b.dir, "out/d", name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	os.Chmod(filepath.Join(b.dir, "out/d/closed"), 0o755)
}

// Entries of one name replace each other in their order, though files are
// written several at once.
func TestLastEntryWins(t *testing.T) {
	large := strings.Repeat("x", maxAhead+1)
	var all []testEntry
	want := map[string]string{"out/d": ""}
	for i := range 100 {
		name := fmt.Sprintf("d/f%02d", i)
		all = append(all, reg(name, "first"), reg(name, large), symlink(name, "absent"), reg(name, "fourth"), reg("d/other", name), hardlink(name, "d/other"),
			reg(name, "last"), hardlink("d/hard", name))
		want["out/"+name] = "last"
	}
	want["out/d/other"], want["out/d/hard"] = "d/f99", "last"
	b := newBox(t, TargetOptions{})
	if err := b.unpack(t, archive(t, all...)); err != nil {
		t.Fatal(err)
	}
	b.wantTree(t, want)
}

func TestPreserveModes(t *testing.T) {
	b := newBox(t, TargetOptions{PreserveModes: true})
	if err := b.unpack(t, archive(t, withMode(dir("d"), 0o777), withMode(reg("d/f", "f"), 0o4666))); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"d": 0o777 | fs.ModeDir, "d/f": 0o666} {
		if info, err := os.Stat(filepath.Join(b.dir, "out", name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestUnpackMerges(t *testing.T) {
	content := archive(t, dir("d"), reg("d/f", "new"), reg("d/sub/g", "new"), symlink("d/l", "f"), reg("d/was-link", "new"))
	b := newBox(t, TargetOptions{})
	b.write(t, "out/d/f", "old")
	b.write(t, "out/d/sub/mine", "mine")
	b.symlink(t, "../../outside/secret", "out/d/was-link")
	if err := b.unpack(t, content); err != nil {
		t.Fatal(err)
	}
	b.wantTree(t, map[string]string{
		"out/d": "", "out/d/f": "new", "out/d/sub": "", "out/d/sub/g": "new", "out/d/sub/mine": "mine", "out/d/l": "-> f", "out/d/was-link": "new",
	})
}

// What is in the way of an archive stays, and nothing of the archive comes.
func TestUnpackConflicts(t *testing.T) {
	content := archive(t, dir("d"), reg("d/a", "new"), reg("d/sub/g", "new"), reg("d/z", "new"))
	for _, tt := range []struct {
		name, want string
		options    TargetOptions
		prepare    func(b box)
	}{
		{"link to a folder outside", "is not a directory", TargetOptions{}, func(b box) {
			b.write(t, "out/d/a", "old")
			b.symlink(t, "../../outside", "out/d/sub")
		}},
		{"the title is a link", "is not a directory", TargetOptions{}, func(b box) { b.symlink(t, "../outside", "out/d") }},
		{"the title is a file", "is not a directory", TargetOptions{}, func(b box) { b.write(t, "out/d", "file") }},
		{"directory for a file", "is a directory", TargetOptions{}, func(b box) { b.write(t, "out/d/z/mine", "mine") }},
		{"kept file", "overwrite disallowed", TargetOptions{KeepOldFiles: true}, func(b box) { b.write(t, "out/d/z", "old") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, tt.options)
			tt.prepare(b)
			before := b.tree(t)
			if err := b.unpack(t, content); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("unpack: %v", err)
			}
			if diff := cmp.Diff(before, b.tree(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLinksOutNeedPathTraversal(t *testing.T) {
	content := archive(t, dir("d"), symlink("d/l", "../../outside"), symlink("d/abs", "/etc"))
	b := newBox(t, TargetOptions{})
	if err := b.unpack(t, content); err == nil || !strings.Contains(err.Error(), "--allow-path-traversal") {
		t.Errorf("unpack: %v", err)
	}
	b = newBox(t, TargetOptions{AllowPathTraversal: true})
	if err := b.unpack(t, content); err != nil {
		t.Error(err)
	}
	b.wantTree(t, map[string]string{"out/d": "", "out/d/l": "-> ../../outside", "out/d/abs": "-> /etc"})
	// Links are made, never followed.
	b = newBox(t, TargetOptions{AllowPathTraversal: true})
	if err := b.unpack(t, archive(t, symlink("d/l", "../../outside"), reg("d/l/evil", "x"))); err == nil {
		t.Error("an entry went through a link")
	}
	b.wantTree(t, map[string]string{})
}

func TestLimits(t *testing.T) {
	many := []testEntry{dir("d")}
	for range 20 {
		many = append(many, reg("d/f", ""))
	}
	zeros := archive(t, reg("d/zeros", strings.Repeat("\x00", 80<<20))) // 1 to 1000
	for _, tt := range []struct {
		name, content, want string
		limits              Limits
	}{
		{"entries", archive(t, many...), "more than 10 entries", Limits{Entries: 10}},
		{"bytes", archive(t, reg("d/f", strings.Repeat("x", 100_000))), errTooLarge.Error(), Limits{Bytes: 50_000}},
		{"ratio", zeros, errTooLarge.Error(), Limits{Ratio: 2}},
		{"default ratio of a sparse file", gzipped(sparseTar(1 << 40)), errTooLarge.Error(), Limits{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, TargetOptions{Limits: tt.limits})
			if err := b.unpack(t, tt.content); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("unpack: %v", err)
			}
			b.wantTree(t, map[string]string{})
		})
	}
	for packed, want := range map[int64]int64{0: 64 << 20, 1 << 20: 64<<20 + 250<<20, 1 << 40: 1 << 40, 1 << 62: 1 << 40} {
		if got := (Limits{}).maxBytes(packed); got != want {
			t.Errorf("maxBytes(%d) = %d, want %d", packed, got, want)
		}
	}
}

// sparseTar returns a tar of one file that is all hole (GNU format): a header
// that says it is size bytes.
func sparseTar(size int64) string {
	h := make([]byte, 512)
	number := func(at []byte, n int64) { // base-256
		for i := range at {
			at[len(at)-1-i] = byte(n >> (8 * min(i, 7)))
		}
		at[0] |= 0x80
	}
	copy(h, "d/hole")
	copy(h[100:], "0000644\x00")
	copy(h[124:], "00000000000\x00") // of stored content
	copy(h[136:], "00000000000\x00")
	copy(h[148:], "        ")
	h[156] = 'S'
	copy(h[257:], "ustar  \x00")
	number(h[386:398], size) // a piece of no bytes at the end
	copy(h[398:], "00000000000\x00")
	number(h[483:495], size)
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], []byte{byte('0' + sum>>15&7), byte('0' + sum>>12&7), byte('0' + sum>>9&7), byte('0' + sum>>6&7), byte('0' + sum>>3&7), byte('0' + sum&7), 0, ' '})
	return string(h) + strings.Repeat("\x00", 1024)
}

func TestBrokenArchives(t *testing.T) {
	good := archive(t, dir("d"), reg("d/f", strings.Repeat("content", 1000)))
	frame := string(compress(t, Zstd, tarOf(t, dir("d"), reg("d/f", strings.Repeat("content", 1000)))))
	for name, content := range map[string]string{
		"not gzip": "plain", "empty": "", "cut gzip": good[:len(good)-20], "cut zstd": frame[:len(frame)-20], "only magic": frame[:4], "a byte": "\x1f",
		"gzip of nonsense": gzipped("nonsense, " + strings.Repeat("x", 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, TargetOptions{})
			b.write(t, "out/d/f", "good")
			if err := b.unpack(t, content); err == nil {
				t.Error("accepted")
			}
			b.wantTree(t, map[string]string{"out/d": "", "out/d/f": "good"})
		})
	}
}

func gzipped(s string) string {
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	io.WriteString(gz, s)
	gz.Close()
	return b.String()
}

func TestContentDigest(t *testing.T) {
	content := archive(t, dir("d"), reg("d/f", "f"))
	gz, _ := gzip.NewReader(strings.NewReader(content))
	plain, _ := io.ReadAll(gz)
	for value, want := range map[string]bool{
		digest.FromBytes(plain).String():    true,
		digest.FromString("other").String(): false,
		"nonsense":                          false,
	} {
		b := newBox(t, TargetOptions{})
		desc := describeArchive(content)
		desc.Annotations[AnnotationDigest] = value
		_, err := b.target.Restore(t.Context(), "d", desc, serve(content, nil))
		if (err == nil) != want {
			t.Errorf("%s: %v", value, err)
		}
		if !want {
			b.wantTree(t, map[string]string{})
		}
	}
}

// Whatever the bytes are, nothing leaves the folder and no failure leaves
// anything in it.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("nonsense"))
	f.Add([]byte(zeroFrame(17, 10)))
	for _, seed := range []string{sparseTar(1 << 40), strings.Repeat("\x00", 1024)} {
		f.Add([]byte(seed))
	}
	for _, entries := range [][]testEntry{
		{dir("d"), reg("d/f", "f"), symlink("d/l", "f"), hardlink("d/h", "d/f")},
		{symlink("d/l", "../../outside"), reg("d/l/evil", "x")},
		{reg("d/../../evil", "x")}, {special("d/p", tar.TypeFifo)},
	} {
		raw := tarOf(f, entries...)
		f.Add(raw)
		f.Add([]byte(gzipped(string(raw))))
		f.Add(compress(f, Zstd, raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := newBox(t, TargetOptions{Limits: Limits{Entries: 100, Bytes: 1 << 20}})
		err := b.unpack(t, string(raw))
		for name := range b.tree(t) {
			inside := name == "out" || name == "out/d" || strings.HasPrefix(name, "out/d/")
			if strings.Contains(name, ".orlop-") || name != "." && name != "outside" && name != "outside/secret" && !inside {
				t.Errorf("%q is there", name)
			}
			if err != nil && inside && name != "out" {
				t.Errorf("%q is there after %v", name, err)
			}
		}
	})
}
