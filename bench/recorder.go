package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// record is one measured value; results files hold one per line.
type record struct {
	Time     string  `json:"time"`
	Run      int     `json:"run"`
	Column   string  `json:"column"` // server or tool name
	Workload string  `json:"workload"`
	Metric   string  `json:"metric"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Note     string  `json:"note,omitempty"`
	// Other is the CPU (in cores) that processes outside this measurement used
	// while it ran; report -max-other leaves disturbed values out.
	Other float64 `json:"other"`
}

type recorder struct {
	f     *os.File
	run   int
	col   string
	other float64
	quiet time.Duration
}

// waitQuiet waits, at most r.quiet, until the rest of the machine uses less
// than 15 % of one core.
func (r *recorder) waitQuiet() {
	const slice = 400 * time.Millisecond
	for end := time.Now().Add(r.quiet); time.Now().Before(end); {
		b0 := busyCPU()
		time.Sleep(slice)
		if busyCPU()-b0 < slice*15/100 {
			return
		}
	}
}

// meter measures CPU of the server, of this process and of everything else.
type meter struct {
	rec                *recorder
	pid                int
	cpu0, self0, busy0 time.Duration
	t0                 time.Time
	wall, cpu, self    time.Duration
}

// start begins a measurement; call waitQuiet first, and open connections after
// it, because some servers close connections that stay silent for seconds.
func (r *recorder) start(s *server) *meter {
	return &meter{rec: r, pid: s.pid, cpu0: cpuTime(s.pid), self0: selfCPU(), busy0: busyCPU(), t0: time.Now()}
}

func (m *meter) stop() {
	m.wall = time.Since(m.t0)
	m.cpu, m.self = cpuTime(m.pid)-m.cpu0, selfCPU()-m.self0
	m.rec.other = max(0, (busyCPU()-m.busy0-m.cpu-m.self).Seconds()/m.wall.Seconds())
}

func openRecorder(path string) (*recorder, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return &recorder{f: f}, err
}

func (r *recorder) add(workload, metric string, v float64, unit string, note ...string) {
	rec := record{time.Now().UTC().Format(time.RFC3339), r.run, r.col, workload, metric, v, unit, strings.Join(note, " "), r.other}
	b, _ := json.Marshal(rec)
	r.f.Write(append(b, '\n'))
	fmt.Printf("  run %d  %-18s %-14s %-34s %12.3f %s %s\n", r.run, r.col, workload, metric, v, unit, rec.Note)
}

func (r *recorder) fail(workload string, err error) {
	fmt.Printf("  run %d  %-18s %-14s FAILED: %v\n", r.run, r.col, workload, err)
	b, _ := json.Marshal(record{time.Now().UTC().Format(time.RFC3339), r.run, r.col, workload, "error", 0, "", err.Error(), 0})
	r.f.Write(append(b, '\n'))
}
