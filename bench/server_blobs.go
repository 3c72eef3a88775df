package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const gib = float64(1 << 30)

// s2push pushes blobs of new content: one PUT, 16 MiB PATCH chunks with
// Content-Range, and one streaming PATCH (what most clients do).
func (b *serverBench) s2push(s *server) error {
	if s.def.Seed != "" {
		return nil
	}
	for _, mode := range []string{"put", "patch16m", "patchstream"} {
		if err := stamp(b.blobFile); err != nil {
			return err
		}
		dg, err := fileDigest(b.blobFile)
		if err != nil {
			return err
		}
		syscall.Sync()
		b.rec.waitQuiet()
		c, err := s.t.dial()
		if err != nil {
			return err
		}
		io0, m := ioBytes(s.pid), b.rec.start(s)
		err = b.pushMode(c, mode, dg)
		m.stop()
		wall, cpu := m.wall, m.cpu
		c.close()
		if err != nil {
			b.rec.fail("S2", fmt.Errorf("%s: %w", mode, err))
			continue
		}
		t1 := time.Now()
		syscall.Sync()
		sync := time.Since(t1)
		gibs := float64(b.blobSize) / gib
		b.rec.add("S2", mode+"_rate", float64(b.blobSize)/1e6/wall.Seconds(), "MB/s")
		b.rec.add("S2", mode+"_server_cpu", cpu.Seconds()/gibs, "s/GiB")
		b.rec.add("S2", mode+"_sync_after", sync.Seconds(), "s")
		b.rec.add("S2", mode+"_written", float64(ioBytes(s.pid)-io0)/float64(b.blobSize), "x size")
	}
	return nil
}

func (b *serverBench) pushMode(c *rawConn, mode, dg string) error {
	f, err := os.Open(b.blobFile)
	if err != nil {
		return err
	}
	defer f.Close()
	loc, err := startUpload(c, "bench/blob")
	if err != nil {
		return err
	}
	const ct = "Content-Type: application/octet-stream\r\n"
	if mode == "put" {
		p, err := localPath(loc, "digest="+dg)
		if err != nil {
			return err
		}
		r, err := c.doFile("PUT", p, ct, f, b.blobSize)
		if err == nil && r.status != 201 {
			err = fmt.Errorf("PUT: status %d", r.status)
		}
		return err
	}
	if mode == "patchstream" {
		p, _ := localPath(loc, "")
		r, err := c.doChunked("PATCH", p, ct, f)
		if err != nil {
			return err
		}
		if r.status != 202 {
			return fmt.Errorf("PATCH: status %d", r.status)
		}
		loc = r.location
	} else {
		const chunk = 16 << 20
		for off := int64(0); off < b.blobSize; off += chunk {
			n := min(int64(chunk), b.blobSize-off)
			p, _ := localPath(loc, "")
			r, err := c.doFile("PATCH", p, ct+fmt.Sprintf("Content-Range: %d-%d\r\n", off, off+n-1), f, n)
			if err != nil {
				return err
			}
			if r.status != 202 {
				return fmt.Errorf("PATCH at %d: status %d", off, r.status)
			}
			loc = r.location
		}
	}
	p, _ := localPath(loc, "digest="+dg)
	r, err := c.do("PUT", p, "", nil, false)
	if err == nil && r.status != 201 {
		err = fmt.Errorf("closing PUT: status %d", r.status)
	}
	return err
}

// seedStatic writes content for a static file server.
func seedStatic(store, repo, kind, ref string, data []byte) error {
	p := filepath.Join(store, "v2", repo, kind, ref)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	return os.WriteFile(p, data, 0o644)
}

// s1pull pulls one large blob, verified once, then with 1 and 4 clients.
func (b *serverBench) s1pull(s *server) error {
	dg, err := fileDigest(b.blobFile)
	if err != nil {
		return err
	}
	path := "/v2/bench/blob/blobs/" + dg
	if s.def.Seed == "static" {
		if err := os.MkdirAll(filepath.Join(s.store, "v2/bench/blob/blobs"), 0o755); err != nil {
			return err
		}
		if err := os.Link(b.blobFile, filepath.Join(s.store, path)); err != nil {
			return err
		}
	}
	c, err := s.t.dial()
	if err != nil {
		return err
	}
	r, err := c.do("HEAD", path, "", nil, false)
	if err == nil && r.status == 404 { // the last S2 mode failed or S2 was not run
		var p string
		if p, err = startUpload(c, "bench/blob"); err == nil {
			p, _ = localPath(p, "digest="+dg)
			f, _ := os.Open(b.blobFile)
			r, err = c.doFile("PUT", p, "Content-Type: application/octet-stream\r\n", f, b.blobSize)
			f.Close()
		}
	}
	c.close()
	if err != nil {
		return err
	}
	pull := func() (int64, error) {
		c, err := s.t.dial()
		if err != nil {
			return 0, err
		}
		defer c.close()
		r, err := c.do("GET", path, "", nil, false)
		if err == nil && r.status == 307 {
			return 0, fmt.Errorf("redirect to %s", r.location)
		}
		if err == nil && (r.status != 200 || r.n != b.blobSize) {
			err = fmt.Errorf("GET blob: status %d, %d bytes", r.status, r.n)
		}
		return r.n, err
	}
	if _, err := pull(); err != nil { // warm the page cache
		return err
	}
	for _, par := range []int{1, 4} {
		b.rec.waitQuiet()
		m := b.rec.start(s)
		var wg sync.WaitGroup
		errs := make([]error, par)
		for k := 0; k < par; k++ {
			wg.Add(1)
			go func() { defer wg.Done(); _, errs[k] = pull() }()
		}
		wg.Wait()
		m.stop()
		wall, cpu := m.wall, m.cpu
		for _, e := range errs {
			if e != nil {
				return e
			}
		}
		total := float64(b.blobSize) * float64(par)
		pre := fmt.Sprintf("pull_x%d", par)
		b.rec.add("S1", pre+"_rate", total/1e6/wall.Seconds(), "MB/s")
		b.rec.add("S1", pre+"_server_cpu", cpu.Seconds()/(total/gib), "s/GiB")
		b.rec.add("S1", pre+"_loadgen_cpu", m.self.Seconds()/(total/gib), "s/GiB")
	}
	return nil
}
