package main

import (
	"fmt"
	"strconv"
	"syscall"
	"time"
)

// s5small pushes small artifacts from 16 workers: all into one repository, then
// spread over n/20 repositories.
func (b *serverBench) s5small(s *server) error {
	if s.def.Seed != "" {
		return nil
	}
	for _, mode := range []string{"one_repo", "many_repos"} {
		arts := make([]artifact, b.n5)
		for i := range arts {
			arts[i] = newArtifact(fmt.Sprintf("%s-%d-%d", mode, b.rec.run, i))
		}
		var ap0, al0, in0 int64
		if !s.def.InMemory {
			syscall.Sync()
			ap0, al0, in0 = diskUse(s.store)
		}
		b.rec.waitQuiet()
		m := b.rec.start(s)
		done, err := forEach(s.t, b.n5, 16, m.t0.Add(b.budget), func(c *rawConn, i int) error {
			repo := "bench/s5"
			if mode == "many_repos" {
				repo = fmt.Sprintf("bench/s5-%03d", i%(b.n5/20))
			}
			return arts[i].push(c, repo, "t"+strconv.Itoa(i))
		})
		m.stop()
		wall, cpu := m.wall, m.cpu
		if err != nil {
			b.rec.fail("S5", fmt.Errorf("%s after %d artifacts: %w", mode, done, err))
			continue
		}
		note := ""
		if done < b.n5 {
			note = fmt.Sprintf("only %d in the time limit", done)
		}
		t1 := time.Now()
		syscall.Sync()
		b.rec.add("S5", mode+"_rate", float64(done)/wall.Seconds(), "artifacts/s", note)
		b.rec.add("S5", mode+"_server_cpu", float64(cpu.Microseconds())/1000/float64(done), "ms/artifact")
		b.rec.add("S5", mode+"_sync_after", time.Since(t1).Seconds(), "s")
		if !s.def.InMemory {
			ap, al, in := diskUse(s.store)
			b.rec.add("S9", "apparent_per_artifact_"+mode, float64(ap-ap0)/float64(done), "bytes")
			b.rec.add("S9", "disk_per_artifact_"+mode, float64(al-al0)/float64(done), "bytes")
			b.rec.add("S9", "inodes_per_artifact_"+mode, float64(in-in0)/float64(done), "inodes")
		}
	}
	return nil
}
