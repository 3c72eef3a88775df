package server

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/federation"
)

// watchInterval is how often the file of issuers is looked at.
const watchInterval = time.Second

// issuersFile is the file of the issuers that are trusted, read again when it
// changes. A nil one trusts nobody.
type issuersFile struct {
	name  string
	log   *slog.Logger
	rules *federation.Federation

	mu      sync.Mutex
	stamp   stamp  // guarded by mu
	changed func() // called after other rules were put in force; set before stop

	stop, stopped chan struct{} // nil if nobody watches
}

// openFederation reads the file that the configuration names; nil if it names
// none.
func openFederation(cfg *config.Config, log *slog.Logger) (*issuersFile, error) {
	if cfg.FederationFile == "" {
		return nil, nil
	}
	f := &issuersFile{name: cfg.FederationFile, log: log, changed: func() {}}
	f.stamp = f.stampNow()
	trusted, err := federation.Load(f.name)
	if err != nil {
		return nil, fmt.Errorf("federation-file: %w", err)
	}
	f.rules = federation.New(trusted, federation.Options{Log: log})
	return f, nil
}

// trusted is what authn wants to know.
func (f *issuersFile) trusted() authn.Federation {
	if f == nil {
		return nil
	}
	return f.rules
}

// watch looks at the file until close, and calls changed after each change.
func (f *issuersFile) watch(changed func()) {
	if f == nil {
		return
	}
	f.changed = changed
	f.stop, f.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(f.stopped)
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.look()
			case <-f.stop:
				return
			}
		}
	}()
}

func (f *issuersFile) close() {
	if f == nil || f.stop == nil {
		return
	}
	close(f.stop)
	<-f.stopped
	f.stop = nil
}

// look reads the file if it has changed. One that cannot be used, half written
// for example, leaves what was before in force.
func (f *issuersFile) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.stampNow()
	if now == f.stamp {
		return
	}
	f.stamp = now
	trusted, err := federation.Load(f.name)
	if err != nil {
		f.log.Error("federation-file not reloaded, what was before stays in force", "error", err)
		return
	}
	f.rules.Use(trusted)
	f.changed()
	f.log.Info("federation-file reloaded", "file", f.name)
}

func (f *issuersFile) stampNow() stamp {
	info, err := os.Stat(f.name)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}
