package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// s8repos fills b.repos repositories with one small artifact each, restarts
// the server and measures start-up, memory and the first catalog answer.
func (b *serverBench) s8repos(s *server) *server {
	if s.def.Seed != "" || s.def.InMemory {
		return s
	}
	t0 := time.Now()
	done, err := forEach(s.t, b.repos, 16, t0.Add(b.budget), func(c *rawConn, i int) error {
		a := newArtifact("repo-" + strconv.Itoa(i))
		return a.push(c, fmt.Sprintf("many/%02d/r%04d", i%50, i), "v1")
	})
	if err != nil {
		b.rec.fail("S8R", fmt.Errorf("after %d: %w", done, err))
		return s
	}
	b.rec.add("S8R", "repos_pushed", float64(done), "repos", fmt.Sprintf("%.0f/s", float64(done)/time.Since(t0).Seconds()))
	b.rec.add("S8R", "create_rate", float64(done)/time.Since(t0).Seconds(), "repos/s")
	b.rec.add("S8R", "rss_after_push", float64(rssKB(s.pid, "VmRSS"))/1024, "MiB")
	s.stop()
	syscall.Sync()
	n, err := startServer(s.def, s.store, b.confDir, filepath.Join(b.work, "log-"+s.def.Name))
	if err != nil {
		b.rec.fail("S8R", err)
		return s
	}
	b.rec.add("S8R", "startup", float64(n.startup.Microseconds())/1000, "ms")
	c, err := n.t.dial()
	if err != nil {
		b.rec.fail("S8R", err)
		return n
	}
	defer c.close()
	t0 = time.Now()
	r, err := c.do("GET", "/v2/many/07/r4007/manifests/v1", accept, nil, false)
	if err == nil {
		b.rec.add("S8R", "first_manifest_get", float64(time.Since(t0).Microseconds())/1000, "ms", fmt.Sprintf("status %d", r.status))
	}
	t0 = time.Now()
	r, err = c.do("GET", "/v2/_catalog?n=100", "", nil, true)
	if err == nil {
		b.rec.add("S8R", "catalog_n100", float64(time.Since(t0).Microseconds())/1000, "ms", fmt.Sprintf("status %d", r.status))
	}
	t0 = time.Now()
	r, err = c.do("GET", "/v2/_catalog?n=10000", "", nil, true)
	var l struct{ Repositories []string }
	json.Unmarshal(r.body, &l)
	if err == nil {
		b.rec.add("S8R", "catalog_all", float64(time.Since(t0).Microseconds())/1000, "ms", fmt.Sprintf("status %d, %d repos", r.status, len(l.Repositories)))
	}
	time.Sleep(3 * time.Second)
	b.rec.add("S8R", "rss_3s_after_start", float64(rssKB(n.pid, "VmRSS"))/1024, "MiB")
	b.rec.add("S8R", "cpu_3s_after_start", cpuTime(n.pid).Seconds(), "s")
	_, al, in := diskUse(n.store)
	b.rec.add("S8R", "disk_per_repo", float64(al)/float64(done), "bytes")
	b.rec.add("S8R", "inodes_per_repo", float64(in)/float64(done), "inodes")
	return n
}
