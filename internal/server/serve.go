package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/orlop/orlop/internal/config"
)

// settled is when the start has done its work in the background as well.
const settled = 300 * time.Millisecond

// unusedGrace is how long a request may still be on its way on a connection that
// was just made, when the server stops.
const unusedGrace = 500 * time.Millisecond

// lastWords is how long handlers whose connection was cut at the end of the
// shutdown timeout have to put away what arrived.
const lastWords = 2 * time.Second

// Run opens a server, tells on out how to use it, and serves until ctx is
// done; then it lets transfers end, for as long as the configuration says.
func Run(ctx context.Context, cfg config.Config, log *slog.Logger, out io.Writer) (err error) {
	s, err := Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Listen(ctx); err != nil {
		return err
	}
	if err := s.announce(out); err != nil {
		return fmt.Errorf("print the address: %w", err)
	}
	// What the start took, migrations and the hash of a password, is not needed
	// again.
	time.AfterFunc(settled, debug.FreeOSMemory)
	return s.Serve(ctx)
}

// Listen opens the listening addresses, and makes the user admin if there is
// none: not before, because nobody would see the password if an address were in
// use. From then on clients can connect; they are served when Serve runs.
func (s *Server) Listen(ctx context.Context) error {
	var lc net.ListenConfig
	for _, addr := range s.cfg.Listen {
		l, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		s.listeners = append(s.listeners, l)
	}
	var err error
	if s.newPassword, err = s.authn.EnsureAdmin(ctx, string(s.cfg.AdminPassword)); err != nil {
		return fmt.Errorf("user admin: %w", err)
	}
	return nil
}

// Addresses are the addresses that the server listens on, HOST:PORT, with the
// ports that the system chose for port 0.
func (s *Server) Addresses() []string {
	addrs := make([]string, len(s.listeners))
	for i, l := range s.listeners {
		addrs[i] = l.Addr().String()
	}
	return addrs
}

// Serve serves the listening addresses until ctx is done and then stops as Run
// says. It returns nil after a stop that was asked for.
func (s *Server) Serve(ctx context.Context) error {
	hs := s.httpServer()
	failed := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { failed <- s.serve(hs, &idleListener{l, s.cfg.TransferTimeout, &s.unused}) }()
	}
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serve: %w", err), hs.Close())
	case <-ctx.Done():
		return s.stop(hs)
	}
}

func (s *Server) httpServer() *http.Server {
	return &http.Server{
		Handler:           s,
		TLSConfig:         s.tls,
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		ConnState:         s.unused.state,
		MaxHeaderBytes:    int(s.cfg.MaxHeaderSize),
		// Failed handshakes and broken requests are the clients' business.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// OPTIONS * is answered like every other path that is nobody's.
		DisableGeneralOptionsHandler: true,
	}
}

// serve serves one listener. It does not ask hs.TLSConfig whether there is TLS:
// the first Serve sets that, also without.
func (s *Server) serve(hs *http.Server, l net.Listener) error {
	if s.tls != nil {
		return hs.ServeTLS(l, "", "")
	}
	return hs.Serve(l)
}

// stop takes no more connections, waits for the requests that run, and cuts
// those that are not done in time. What an upload brought until then is kept.
func (s *Server) stop(hs *http.Server) error {
	s.log.Info("stopping", "timeout", s.cfg.ShutdownTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	defer time.AfterFunc(unusedGrace, s.unused.close).Stop()
	err := hs.Shutdown(ctx)
	if err == nil {
		s.log.Info("stopped")
		return nil
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop: %w", err)
	}
	if n := s.active.Load(); n > 0 { // else only an answer or a body that nobody wants is still on its way
		s.log.Warn("stopped with transfers under way", "requests", n)
	}
	err = hs.Close()
	for deadline := time.Now().Add(lastWords); s.active.Load() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	return err
}
