package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/control"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/metrics"
)

// side is a listener beside those of the registry, for who runs it.
type side struct {
	server *http.Server
	cancel context.CancelFunc // ends its requests
	done   chan struct{}      // closed when it takes no more
}

// openSides opens the control socket, and the listener for figures if there is to
// be one.
func (s *Server) openSides(ctx context.Context) error {
	l, err := control.Listen(ctx, s.dir.path)
	if err != nil { // a file system may have no sockets
		s.log.Warn("commands that need the running server will not reach it", "error", err)
	} else {
		s.addSide(l, control.Handler(s.collector))
	}
	if s.cfg.MetricsListen == "" {
		return nil
	}
	if l, err = new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.MetricsListen); err != nil {
		return fmt.Errorf("metrics-listen: %w", err)
	}
	s.metricsAddress = l.Addr().String()
	s.log.Info("figures are shown", "url", "http://"+s.metricsAddress+"/metrics")
	s.addSide(l, metrics.Handler(s.collector, s.log))
	return nil
}

// MetricsAddress is the address on which figures are shown, HOST:PORT; "" if
// nowhere.
func (s *Server) MetricsAddress() string { return s.metricsAddress }

// addSide serves a listener until Close.
func (s *Server) addSide(l net.Listener, h http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	sd := &side{&http.Server{
		Handler: h, ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}, cancel, make(chan struct{})}
	s.sides = append(s.sides, sd)
	go func() {
		defer close(sd.done)
		if err := sd.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("a listener has failed", "address", l.Addr(), "error", err)
		}
	}()
}

// close ends the requests under way, and waits for them for a moment.
func (sd *side) close() error {
	sd.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	err := sd.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = sd.server.Close()
	}
	<-sd.done
	return err
}

// OpenCollector opens the stores alone and returns a collector on them, and a
// function that closes them. It is for when no server runs on the data directory.
func OpenCollector(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *gc.Collector, closing func() error, err error) {
	s := &Server{cfg: cfg, log: log}
	if s.dir, err = openDataDir(cfg.Data); err == nil {
		err = s.openEngine(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s.collector, s.Close, nil
}
