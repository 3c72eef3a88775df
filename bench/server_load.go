package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// load repeats one request on n keep-alive connections for the duration and
// records rate, latency percentiles and server CPU per request.
func (b *serverBench) load(s *server, workload, name, method, path, hdr string, want int) error {
	return load(b.rec, s, workload, name, b.conns, b.dur, method, func(int, int) string { return path }, hdr, want)
}

func load(rec *recorder, s *server, workload, name string, conns int, dur time.Duration, method string, path func(conn, i int) string, hdr string, want int) error {
	type res struct {
		lat   []int32 // microseconds x10
		bytes int64
		err   error
	}
	one := func(c *rawConn, k, i int) (int64, error) {
		r, err := c.do(method, path(k, i), hdr, nil, false)
		if err == nil && r.status != want {
			err = fmt.Errorf("%s %s: status %d, want %d", method, path(k, i), r.status, want)
		}
		return r.n, err
	}
	rec.waitQuiet()
	cs := make([]*rawConn, conns)
	for k := range cs {
		c, err := s.t.dial()
		if err != nil {
			return err
		}
		defer c.close()
		if _, err := one(c, k, 0); err != nil { // warm up, and check
			return err
		}
		cs[k] = c
	}
	out := make([]res, conns)
	m := rec.start(s)
	end := m.t0.Add(dur)
	var wg sync.WaitGroup
	for k := range cs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := &out[k]
			r.lat = make([]int32, 0, 1<<14)
			prev := time.Now()
			for i := 0; prev.Before(end); i++ {
				n, err := one(cs[k], k, i)
				now := time.Now()
				if err != nil {
					r.err = err
					return
				}
				r.bytes += n
				r.lat = append(r.lat, int32(now.Sub(prev)/100))
				prev = now
			}
		}()
	}
	wg.Wait()
	m.stop()
	wall, cpu, self := m.wall, m.cpu, m.self
	var all []int32
	var bytes int64
	for _, r := range out {
		if r.err != nil {
			return r.err
		}
		all = append(all, r.lat...)
		bytes += r.bytes
	}
	slices.Sort(all)
	n := float64(len(all))
	q := func(p float64) float64 { return float64(all[min(len(all)-1, int(p*n))]) / 10000 }
	rec.add(workload, name+"_rate", n/wall.Seconds(), "req/s")
	rec.add(workload, name+"_p50", q(.50), "ms")
	rec.add(workload, name+"_p99", q(.99), "ms")
	if s.pid > 0 {
		rec.add(workload, name+"_server_cpu", float64(cpu.Microseconds())/n, "us/req")
	}
	rec.add(workload, name+"_loadgen_cpu", float64(self.Microseconds())/n, "us/req")
	if method != "HEAD" {
		rec.add(workload, name+"_body", float64(bytes)/n, "bytes")
	}
	return nil
}

func (b *serverBench) s3manifest(s *server) error {
	a := newArtifact("s3")
	if s.def.Seed == "static" {
		seedStatic(s.store, "bench/small", "manifests", "v1", a.man)
		seedStatic(s.store, "bench/small", "manifests", a.manD, a.man)
	} else {
		c, err := s.t.dial()
		if err != nil {
			return err
		}
		defer c.close()
		if err := a.push(c, "bench/small", "v1"); err != nil {
			return err
		}
	}
	if err := b.load(s, "S3", "get_by_tag", "GET", "/v2/bench/small/manifests/v1", accept, 200); err != nil {
		return err
	}
	return b.load(s, "S3", "get_by_digest", "GET", "/v2/bench/small/manifests/"+a.manD, accept, 200)
}

func (b *serverBench) s4head(s *server) error {
	a := newArtifact("s4")
	if s.def.Seed == "static" {
		seedStatic(s.store, "bench/small", "blobs", a.layerD, a.layer)
	} else {
		c, err := s.t.dial()
		if err != nil {
			return err
		}
		defer c.close()
		if err := a.push(c, "bench/small", "v2"); err != nil {
			return err
		}
	}
	if err := b.load(s, "S4", "blob_head", "HEAD", "/v2/bench/small/blobs/"+a.layerD, "", 200); err != nil {
		return err
	}
	return b.load(s, "S4", "blob_get_1KiB", "GET", "/v2/bench/small/blobs/"+a.layerD, "", 200)
}

// cmdHTTPLoad measures one URL path on a running server.
func cmdHTTPLoad(args []string) error {
	fs := flag.NewFlagSet("httpload", flag.ExitOnError)
	base := fs.String("base", "http://127.0.0.1:5000", "base URL (loopback)")
	path := fs.String("path", "/v2/", "request path")
	method := fs.String("method", "GET", "GET or HEAD")
	user, pass := fs.String("user", "", ""), fs.String("pass", "", "")
	conns := fs.Int("conns", 32, "connections")
	dur := fs.Duration("dur", 5*time.Second, "duration")
	want := fs.Int("status", 200, "expected status")
	pid := fs.Int("pid", 0, "server process")
	fs.Parse(args)
	t, err := newTarget(*base, *user, *pass)
	if err != nil {
		return err
	}
	return load(&recorder{f: os.Stderr, col: "httpload"}, &server{t: t, pid: *pid}, "-", *method, *conns, *dur, *method, func(int, int) string { return *path }, accept, *want)
}
