package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// s6referrers attaches b.refs artifacts to one subject and lists them.
func (b *serverBench) s6referrers(s *server) error {
	if s.def.Seed != "" {
		return nil
	}
	const repo = "bench/refs"
	subj := newArtifact("s6-subject")
	c, err := s.t.dial()
	if err != nil {
		return err
	}
	defer c.close()
	if err := subj.push(c, repo, "subject"); err != nil {
		return err
	}
	empty := []byte("{}")
	if err := pushBlob(c, repo, empty, digestOf(empty)); err != nil {
		return err
	}
	sj := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mtManifest, subj.manD, len(subj.man))
	api := true
	b.rec.waitQuiet()
	m := b.rec.start(s)
	done, err := forEach(s.t, b.refs, 16, m.t0.Add(b.budget), func(c *rawConn, i int) error {
		at := "application/vnd.bench.sbom.v1"
		if i%10 == 0 {
			at = "application/vnd.bench.signature.v1"
		}
		man := smallManifest(mtEmpty, digestOf(empty), 2, subj.layerD, len(subj.layer), at, sj, strconv.Itoa(i))
		r, err := putManifest(c, repo, digestOf(man), mtManifest, man)
		if err == nil && r.subject == "" {
			api = false
		}
		return err
	})
	m.stop()
	if err != nil {
		return fmt.Errorf("after %d referrers: %w", done, err)
	}
	b.rec.add("S6", "attach_rate", float64(done)/m.wall.Seconds(), "manifests/s")
	b.rec.add("S6", "attach_server_cpu", float64(m.cpu.Microseconds())/1000/float64(done), "ms/manifest")
	if !api {
		fmt.Println("   (no OCI-Subject header in the answers)")
	}
	path := "/v2/" + repo + "/referrers/" + subj.manD
	c.close()
	if c, err = s.t.dial(); err != nil {
		return err
	}
	defer c.close()
	r, err := c.do("GET", path, "", nil, true)
	if err != nil {
		return err
	}
	if r.status != 200 {
		return fmt.Errorf("GET referrers: status %d", r.status)
	}
	var idx struct{ Manifests []json.RawMessage }
	if err := json.Unmarshal(r.body, &idx); err != nil {
		return err
	}
	b.rec.add("S6", "listed_first_page", float64(len(idx.Manifests)), "referrers")
	if err := b.load(s, "S6", "list", "GET", path, "", 200); err != nil {
		return err
	}
	return b.load(s, "S6", "list_filtered", "GET", path+"?artifactType=application%2Fvnd.bench.signature.v1", "", 200)
}

// s7tags makes one repository with b.tags tags and lists it in full and in
// pages of 100. Pushing stops at the time limit; an OCI-layout store is then
// filled directly and the server restarted.
func (b *serverBench) s7tags(s *server) error {
	if s.def.Seed != "" {
		return nil
	}
	const repo = "bench/tags"
	a := newArtifact("s7")
	c, err := s.t.dial()
	if err != nil {
		return err
	}
	if err := a.push(c, repo, "t00000"); err != nil {
		return err
	}
	c.close()
	b.rec.waitQuiet()
	m := b.rec.start(s)
	done, err := forEach(s.t, b.tags-1, 16, m.t0.Add(b.budget), func(c *rawConn, i int) error {
		_, err := putManifest(c, repo, fmt.Sprintf("t%05d", i+1), mtManifest, a.man)
		return err
	})
	m.stop()
	if err != nil {
		return fmt.Errorf("after %d tags: %w", done, err)
	}
	b.rec.add("S7", "tags_pushed", float64(done+1), "tags", fmt.Sprintf("in %.0f s", m.wall.Seconds()))
	b.rec.add("S7", "retag_rate", float64(done)/m.wall.Seconds(), "tags/s")
	b.rec.add("S7", "retag_server_cpu", float64(m.cpu.Microseconds())/1000/float64(done), "ms/tag")
	if done+1 < b.tags && s.def.Layout == "oci" && s.cmd != nil {
		s.stop()
		if err := fillLayoutTags(filepath.Join(s.store, repo, "index.json"), b.tags); err != nil {
			return err
		}
		n, err := startServer(s.def, s.store, b.confDir, filepath.Join(b.work, "log-"+s.def.Name))
		if err != nil {
			return err
		}
		*s = *n
		b.rec.add("S7", "restart_with_20000_tags", float64(s.startup.Microseconds())/1000, "ms")
	}
	c, err = s.t.dial()
	if err != nil {
		return err
	}
	defer c.close()
	path := "/v2/" + repo + "/tags/list"
	t0 := time.Now()
	r, err := c.do("GET", path, "", nil, true)
	if err != nil {
		return err
	}
	var l struct{ Tags []string }
	json.Unmarshal(r.body, &l)
	b.rec.add("S7", "full_list_cold", float64(time.Since(t0).Microseconds())/1000, "ms")
	b.rec.add("S7", "full_list_tags", float64(len(l.Tags)), "tags")
	if err := load(b.rec, s, "S7", "full_list", 4, b.dur, "GET", func(int, int) string { return path }, "", 200); err != nil {
		return err
	}
	if err := load(b.rec, s, "S7", "page_first_n100", 4, b.dur, "GET", func(int, int) string { return path + "?n=100" }, "", 200); err != nil {
		return err
	}
	if err := load(b.rec, s, "S7", "page_middle_n100", 4, b.dur, "GET", func(int, int) string { return path + "?n=100&last=t10000" }, "", 200); err != nil {
		return err
	}
	// Walk all pages by following Link headers.
	c.close()
	if c, err = s.t.dial(); err != nil {
		return err
	}
	defer c.close()
	t0 = time.Now()
	cpu0 := cpuTime(s.pid)
	next, seen, pages := path+"?n=100", 0, 0
	for next != "" && pages < b.tags && time.Since(t0) < b.budget {
		r, err := c.do("GET", next, "", nil, true)
		if err != nil {
			return err
		}
		if r.status != 200 {
			return fmt.Errorf("page: status %d", r.status)
		}
		var l struct{ Tags []string }
		json.Unmarshal(r.body, &l)
		seen += len(l.Tags)
		pages++
		next = ""
		if i, j := strings.IndexByte(r.link, '<'), strings.IndexByte(r.link, '>'); i >= 0 && j > i {
			next, _ = localPath(r.link[i+1:j], "")
		}
	}
	b.rec.add("S7", "walk_pages_n100", time.Since(t0).Seconds(), "s", fmt.Sprintf("%d pages, %d tags", pages, seen))
	b.rec.add("S7", "walk_server_cpu", (cpuTime(s.pid) - cpu0).Seconds(), "s")
	return nil
}

// fillLayoutTags rewrites an OCI layout's index.json so that it holds n tags
// on the manifest of its first entry.
func fillLayoutTags(path string, n int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var idx map[string]any
	if err := json.Unmarshal(b, &idx); err != nil {
		return err
	}
	first := idx["manifests"].([]any)[0].(map[string]any)
	var out []any
	for i := 0; i < n; i++ {
		out = append(out, map[string]any{"mediaType": first["mediaType"], "digest": first["digest"], "size": first["size"],
			"annotations": map[string]any{"org.opencontainers.image.ref.name": fmt.Sprintf("t%05d", i)}})
	}
	idx["manifests"] = out
	if b, err = json.Marshal(idx); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
