package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

type serverBench struct {
	rec      *recorder
	work     string // scratch folder for data and stores
	confDir  string
	blobFile string
	blobSize int64
	dur      time.Duration
	conns    int
	n5       int
	tags     int
	repos    int
	refs     int
	budget   time.Duration
}

func cmdServer(args []string) error {
	fs := flag.NewFlagSet("server", flag.ExitOnError)
	var (
		conf   = fs.String("servers", "conf/servers.json", "server definitions")
		only   = fs.String("only", "all", "comma-separated server names")
		base   = fs.String("base", "", "measure a running registry at this base URL instead (loopback)")
		user   = fs.String("user", "", "basic auth user for -base")
		pass   = fs.String("pass", "", "basic auth password for -base")
		pid    = fs.Int("pid", 0, "process id behind -base, for CPU and memory (0: not measured)")
		name   = fs.String("name", "running", "column name for -base")
		works  = fs.String("work", "S1,S2,S3,S4,S5,S6,S8,S9", "workloads; also S7 and S8R (5,000 repositories)")
		runs   = fs.Int("runs", 3, "interleaved runs")
		first  = fs.Int("first-run", 1, "number of the first run")
		out    = fs.String("out", "results/server.jsonl", "results file (appended)")
		work   = fs.String("dir", filepath.Join(os.TempDir(), "regbench"), "scratch folder")
		size   = fs.Int64("size", 1<<30, "blob size of S1 and S2")
		dur    = fs.Duration("dur", 5*time.Second, "length of each request-rate measurement")
		conns  = fs.Int("conns", 32, "keep-alive connections of S3, S4, S6")
		n5     = fs.Int("artifacts", 2000, "artifacts of S5")
		tags   = fs.Int("tags", 20000, "tags of S7")
		repos  = fs.Int("repos", 5000, "repositories of S8R")
		refs   = fs.Int("refs", 1000, "referrers of S6")
		budget = fs.Duration("budget", 150*time.Second, "time limit for filling S7 and S8R")
	)
	quiet := fs.Duration("quiet", 20*time.Second, "wait at most this long for the machine to be quiet before each measurement")
	fs.Parse(args)
	rec, err := openRecorder(*out)
	if err != nil {
		return err
	}
	rec.quiet = *quiet
	b := &serverBench{rec: rec, work: *work, confDir: filepath.Dir(*conf), blobSize: *size, dur: *dur,
		conns: *conns, n5: *n5, tags: *tags, repos: *repos, refs: *refs, budget: *budget}
	b.confDir, _ = filepath.Abs(b.confDir)
	b.blobFile = filepath.Join(*work, "data", fmt.Sprintf("blob-%d", *size))
	if err := randomFile(b.blobFile, *size, 1); err != nil {
		return err
	}
	list := strings.Split(*works, ",")
	if *base != "" {
		t, err := newTarget(*base, *user, *pass)
		if err != nil {
			return err
		}
		s := &server{def: serverDef{Name: *name, InMemory: true}, t: t, pid: *pid}
		for r := *first; r < *first+*runs; r++ {
			rec.run, rec.col = r, *name
			b.session(s, list)
		}
		return nil
	}
	defs, err := loadServers(*conf, *only)
	if err != nil {
		return err
	}
	for r := *first; r < *first+*runs; r++ {
		for i := range defs {
			// Rotate the order so that no server always runs first.
			d := defs[(i+r)%len(defs)]
			rec.run, rec.col = r, d.Name
			b.oneServer(d, list)
		}
	}
	return nil
}

// oneServer runs the workloads against a fresh instance with an empty store.
func (b *serverBench) oneServer(d serverDef, list []string) {
	store := filepath.Join(b.work, "store", d.Name)
	os.RemoveAll(store)
	syscall.Sync()
	log := filepath.Join(b.work, "log-"+d.Name)
	s, err := startServer(d, store, b.confDir, log)
	if err != nil {
		b.rec.fail("start", err)
		return
	}
	if slices.Contains(list, "S8") {
		b.rec.add("S8", "startup_empty_store", float64(s.startup.Microseconds())/1000, "ms")
		time.Sleep(500 * time.Millisecond)
		b.rec.add("S8", "rss_idle", float64(rssKB(s.pid, "VmRSS"))/1024, "MiB")
		b.rec.add("S8", "rss_idle_anon", float64(rssKB(s.pid, "RssAnon"))/1024, "MiB")
	}
	b.session(s, list)
	if slices.Contains(list, "S8R") && !d.skips("S8R") {
		s = b.s8repos(s)
	}
	s.stop()
	os.RemoveAll(store)
}

func (b *serverBench) session(s *server, list []string) {
	run := func(w string, f func(*server) error) {
		if !slices.Contains(list, w) || s.def.skips(w) {
			return
		}
		if err := f(s); err != nil {
			b.rec.fail(w, err)
		}
		syscall.Sync() // keep write-back of one workload out of the next one's time
	}
	run("S2", b.s2push)
	run("S1", b.s1pull)
	run("S3", b.s3manifest)
	run("S4", b.s4head)
	run("S5", b.s5small)
	run("S6", b.s6referrers)
	run("S7", b.s7tags)
	if slices.Contains(list, "S8") {
		b.rec.add("S8", "rss_after_load", float64(rssKB(s.pid, "VmRSS"))/1024, "MiB")
		b.rec.add("S8", "rss_peak", float64(rssKB(s.pid, "VmHWM"))/1024, "MiB")
	}
}
