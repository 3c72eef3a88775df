package test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/testenv"
)

// The rows C6, C7, C11 and C14 of the threats to a client: what an artifact
// says stays in the output folder, and off the terminal.

// tarball is a gzipped tar of entries.
func tarball(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		h.Mode = 0o644 | h.Mode
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len("evil"))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte("evil")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped(t, b.Bytes())
}

func entry(kind byte, name, target string) tar.Header {
	return tar.Header{Typeflag: kind, Name: name, Linkname: target, Format: tar.FormatPAX}
}

func regular(name string) tar.Header      { return entry(tar.TypeReg, name, "") }
func folder(name string) tar.Header       { h := entry(tar.TypeDir, name, ""); h.Mode = 0o755; return h }
func soft(name, target string) tar.Header { return entry(tar.TypeSymlink, name, target) }
func hard(name, target string) tar.Header { return entry(tar.TypeLink, name, target) }
func device(name string, b byte) tar.Header {
	h := entry(b, name, "")
	h.Devmajor, h.Devminor = 1, 3
	return h
}

// neighbours makes files around the output folder, and a link out of it, and
// returns a function that checks that nothing has happened to them.
func (c *client) neighbours() (check func()) {
	c.t.Helper()
	outside := filepath.Join(filepath.Dir(c.dir), "outside")
	for name, content := range map[string]string{
		filepath.Join(outside, "secret"): "secret", filepath.Join(c.dir, "mine"): "mine",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
			c.t.Fatal(err)
		}
	}
	out := filepath.Join(c.dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		c.t.Fatal(err)
	}
	for _, link := range []string{filepath.Join(out, "escape"), filepath.Join(out, "a")} {
		if err := os.Symlink(outside, link); err != nil {
			c.t.Fatal(err)
		}
	}
	before := listAround(c)
	return func() {
		c.t.Helper()
		if after := listAround(c); after != before {
			c.t.Errorf("around the output folder was\n%s\nand is\n%s", before, after)
		}
	}
}

// listAround lists all around the output folder: names, modes, how many names a
// file has, and content.
func listAround(c *client) string {
	c.t.Helper()
	var b strings.Builder
	root := filepath.Dir(c.dir)
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if strings.HasPrefix(rel, filepath.Join("work", "out")) {
			return nil
		}
		raw := []byte(nil)
		if info.Mode().IsRegular() {
			raw, err = os.ReadFile(path)
		}
		fmt.Fprintf(&b, "%s %v %d %q\n", rel, info.Mode(), linkCount(info), raw)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return b.String()
}

// TestEvilTars (C6): an archive changes nothing outside of its folder.
func TestEvilTars(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"dotdot":                           {regular("../evil")},
		"dotdot below the title":           {regular("d/../../evil")},
		"deep dotdot":                      {folder("d/x"), regular("d/x/../../../outside/secret")},
		"absolute":                         {regular("/evil")},
		"absolute below the title":         {regular("d//../../evil")},
		"link out, then through it":        {soft("d/l", "../../outside"), regular("d/l/secret")},
		"absolute link, then through it":   {soft("d/l", "/tmp"), regular("d/l/evil")},
		"chain of links":                   {folder("d/x"), soft("d/x/up", "../.."), soft("d/l", "x/up/../outside"), regular("d/l/secret")},
		"link over a link":                 {soft("d/l", "x"), soft("d/l", "../../outside"), regular("d/l/secret")},
		"the title is a link":              {soft("d", "../outside"), regular("d/secret")},
		"directory becomes a link":         {folder("d/x"), soft("d/x", "../../outside"), regular("d/x/secret")},
		"hard link, absolute":              {hard("d/h", "/etc/passwd")},
		"hard link, dotdot":                {hard("d/h", "d/../../outside/secret")},
		"hard link, relative to the title": {hard("d/h", "../outside/secret")},
		"hard link, to the current folder": {hard("d/h", "mine")},
		"hard link through a link":         {soft("d/l", "../../outside"), hard("d/h", "d/l/secret")},
		"hard link, then written":          {hard("d/h", "../outside/secret"), regular("d/h")},
		"link out as a hard link":          {soft("d/l", "../../outside/secret"), hard("d/h", "d/l"), regular("d/h")},
		"mode of a link":                   {soft("d/l", "../../outside/secret"), folder("d/l")},
		"character device":                 {device("d/dev", tar.TypeChar), regular("d/dev/../../evil")},
		"block device":                     {device("d/dev", tar.TypeBlock), regular("d/dev/../../evil")},
		"pipe":                             {device("d/pipe", tar.TypeFifo), regular("d/pipe"), regular("../evil")},
		"set-user-id":                      {{Typeflag: tar.TypeReg, Name: "d/suid", Mode: 0o6755}, regular("../evil")},
	} {
		t.Run(name, func(t *testing.T) {
			registry := testenv.StartLiar(t, testenv.LiarOptions{})
			layer := registry.AddBlob("d", tarball(t, entries...))
			layer.MediaType = ocispec.MediaTypeImageLayerGzip
			layer.Annotations["io.deis.oras.content.unpack"] = "true"
			registry.AddArtifact(t, "v1", layer)
			client := newClient(t)
			check := client.neighbours()
			got := client.run("pull", "-o", "out", registry.Address+"/a:v1")
			check()
			if got.code != 1 {
				t.Errorf("exit %d: %s%s", got.code, got.stdout, got.stderr)
			}
			if _, err := os.Lstat(filepath.Join(client.dir, "out", "d")); err == nil && got.code != 0 {
				t.Error("a part of the archive is left")
			}
		})
	}
}

// TestEvilNames (C6, C7): a title changes nothing outside of the output
// folder, and does not replace the folder.
func TestEvilNames(t *testing.T) {
	for _, title := range []string{
		".", "..", "/", "//", "./", "../", "a/", "a/..", "a/../", "a/../..", "../evil", "../outside/secret", "./../evil", "a/../../evil",
		"../../../../../../../../tmp/evil", "/evil", "/etc/evil", "//evil", "/../evil", "x\x00y", "../evil\x00", "escape/evil",
		"escape/secret", "escape/../../evil", "a/secret", "out/../../evil", " ", "....//../../evil/",
	} {
		for _, unpack := range []bool{false, true} {
			registry := testenv.StartLiar(t, testenv.LiarOptions{})
			layer := registry.AddBlob(title, tarball(t, folder("d"), regular("d/evil")))
			if unpack {
				layer.Annotations["io.deis.oras.content.unpack"] = "true"
			}
			registry.AddArtifact(t, "v1", layer)
			client := newClient(t)
			check := client.neighbours()
			got := client.run("pull", "-o", "out", registry.Address+"/a:v1")
			check()
			if got.code != 1 && title != " " && !(unpack && title == ".") { // names that can be: a space, and the folder itself
				t.Errorf("%q (unpack %t): exit %d: %s", title, unpack, got.code, got.stderr)
			}
			if info, err := os.Lstat(filepath.Join(client.dir, "out")); err != nil || !info.IsDir() {
				t.Errorf("%q (unpack %t): the output folder: %v, %v", title, unpack, info, err)
			}
		}
	}
}

// TestNothingRawReachesTheTerminal (C11): what a registry says is escaped,
// wherever it is printed.
func TestNothingRawReachesTheTerminal(t *testing.T) {
	const evil = "\x1b[2J\x1b]0;owned\x07\r\u202egpj.exe\u0085"
	registry := testenv.StartLiar(t, testenv.LiarOptions{})
	layer := registry.AddBlob("f"+evil, []byte("content"))
	layer.Annotations["key"+evil] = evil
	layer.MediaType = "text/" + evil
	registry.AddArtifact(t, "v1", layer, registry.AddBlob("", []byte(evil)))
	warn := func(w http.ResponseWriter) { w.Header().Set("Warning", `299 - "`+`\x1b[2J`+"\u202e"+`"`) }
	registry.On("", "/tags/list", func(w http.ResponseWriter, r *http.Request) {
		warn(w)
		fmt.Fprintf(w, `{"name":"a","tags":["x\u001b[2J\u202e","y\r"]}`)
	})
	registry.On("", "/manifests/denied", func(w http.ResponseWriter, r *http.Request) {
		warn(w)
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"errors":[{"code":"DENIED\u001b[31m","message":"\u001b[2J\u202e\r","detail":"\u001b]0;x\u0007"}]}`)
	})
	registry.On("", "/manifests/html", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "<b>\x1b[2J\u202e</b>")
	})
	for _, args := range [][]string{
		{"pull", "{}/a:v1"}, {"pull", "{}/a:denied"}, {"pull", "{}/a:html"}, {"repo", "tags", "{}/a"}, {"resolve", "{}/a:denied"},
		{"ls", "{}/a:v1"}, {"diff", "{}/a:v1", "{}/a:v1"}, {"discover", "{}/a:denied"}, {"cp", "{}/a:v1", "--to-oci-layout", "l:v1"},
		{"manifest", "fetch", "{}/a:denied"}, {"pull", "--debug", "{}/a:denied"}, {"pull", "-o", evil + "/x/../y", "{}/a:html"},
	} {
		client := newClient(t)
		for i, arg := range args {
			args[i] = strings.ReplaceAll(arg, "{}", registry.Address)
		}
		got := client.run(args...)
		if got.code == 2 {
			t.Errorf("%q: %s", args, got.stderr)
		}
		for _, raw := range []string{"\x1b", "\x07", "\r", "\u202e", "\u0085"} {
			if strings.Contains(got.stdout+got.stderr, raw) {
				t.Errorf("%q prints %q: %q %q", args, raw, got.stdout, got.stderr)
			}
		}
	}
}

// TestFolderSwappedForALink (C14): another process that swaps a folder for a
// link while an archive is unpacked gets nothing written elsewhere.
func TestFolderSwappedForALink(t *testing.T) {
	entries := []tar.Header{folder("d"), folder("d/x")}
	for i := range 200 {
		entries = append(entries, regular(fmt.Sprintf("d/x/evil%d", i)))
	}
	registry := testenv.StartLiar(t, testenv.LiarOptions{})
	layer := registry.AddBlob("d", tarball(t, entries...))
	layer.Annotations["io.deis.oras.content.unpack"] = "true"
	file := registry.AddBlob("sub/file", []byte("evil"))
	registry.AddArtifact(t, "v1", layer, file)
	client := newClient(t)
	check := client.neighbours()
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() { swap(filepath.Join(client.dir, "out"), stop) })
	for range 20 {
		client.run("pull", "-o", "out", registry.Address+"/a:v1") // it may fail, but not succeed elsewhere
	}
	close(stop)
	swapping.Wait()
	check()
}

// swap makes folders below dir links to a place outside, and folders again.
func swap(dir string, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		for _, name := range []string{"d", "d/x", "sub"} {
			at := filepath.Join(dir, name)
			_ = os.Rename(at, at+".aside")
			_ = os.Symlink("../../outside", at)
			_ = os.Remove(at)
			_ = os.Rename(at+".aside", at)
		}
	}
}
