package migrate

import "sync"

// progress collects how far a pass is.
type progress struct {
	tell func(Progress)

	mu  sync.Mutex // guards now, and calls of tell
	now Progress
}

func (p *progress) table(name string, rows, _ int) {
	p.change(func(now *Progress) { now.Table, now.Rows = name, rows })
}

func (p *progress) object(size int64) {
	p.change(func(now *Progress) { now.Objects, now.Bytes = now.Objects+1, now.Bytes+size })
}

func (p *progress) change(fn func(*Progress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn(&p.now)
	if p.tell != nil {
		p.tell(p.now)
	}
}

func (p *progress) copied() (objects int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now.Objects, p.now.Bytes
}
