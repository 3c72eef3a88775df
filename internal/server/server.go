// Package server makes a registry out of its parts and serves it: it opens the
// stores in the data directory, gives them to the engine, the engine to the
// HTTP APIs, and listens. It is the only package that names concrete stores.
//
// server.go wires, routes.go tells which API answers a path, middleware.go is
// what every request passes, serve.go starts and stops.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/orlop/orlop/internal/acrapi"
	"github.com/orlop/orlop/internal/adminapi"
	"github.com/orlop/orlop/internal/armapi"
	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/distapi"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/hosting"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
	"github.com/orlop/orlop/internal/tokenapi"
)

// Server is a registry with its stores open. Close ends it.
type Server struct {
	cfg config.Config
	log *slog.Logger

	dir         *dataDir
	db          *sqlmeta.DB
	blobs       blobStore
	engine      *registry.Service
	authn       *authn.Authenticator
	newPassword string // of the user admin, if Listen generated one
	tls         *tls.Config
	caFile      string // authority that clients must trust; "" if they know it

	registries *hosting.Registries
	federation *issuersFile // nil if no issuer is trusted

	gate                    *gate.Gate
	dist, acr, token, admin http.Handler
	arm                     http.Handler
	readiness               readiness

	ids       *requestIDs
	active    atomic.Int64 // requests being served
	unused    unusedConns
	listeners []net.Listener
	sides     []*side

	metricsAddress string

	collector *gc.Collector
	stopGC    context.CancelFunc
	collected chan struct{}
}

// Open opens the stores, makes what is missing, and wires the server. cfg must
// be valid. Nothing listens yet. The caller calls Close.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *Server, err error) {
	s := &Server{cfg: cfg, log: log, ids: newRequestIDs()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.dir, err = openDataDir(cfg.Data); err != nil {
		return nil, err
	}
	if s.tls, s.caFile, err = newTLSConfig(&cfg, s.dir, log); err != nil {
		return nil, err
	}
	if err := s.openEngine(ctx); err != nil {
		return nil, err
	}
	if err := s.openAPIs(ctx); err != nil {
		return nil, err
	}
	s.readiness.probe = s.probe
	if err := s.openSides(ctx); err != nil {
		return nil, err
	}
	s.startCollecting()
	return s, nil
}

// openEngine opens the metadata and the blobs and the engine on both.
func (s *Server) openEngine(ctx context.Context) (err error) {
	if err := s.openMetadata(ctx); err != nil {
		return err
	}
	if err := refuseMoved(ctx, s.db); err != nil {
		return err
	}
	if err := s.openBlobs(ctx); err != nil {
		return err
	}
	small := int(s.cfg.SmallBlobSize)
	if small == 0 {
		small = -1 // none
	}
	s.engine, err = registry.New(s.db, s.blobs, registry.Options{
		SmallBlob: small, Shared: s.db.Shared(), Sparse: s.cfg.SparseManifests, Log: s.log,
	})
	if err == nil {
		s.collector = gc.New(s.db, s.blobs, gc.Options{Cache: s.engine, Log: s.log})
	}
	return err
}

// openAPIs makes the HTTP APIs on the engine.
func (s *Server) openAPIs(ctx context.Context) error {
	var err error
	if s.federation, err = openFederation(&s.cfg, s.log); err != nil {
		return err
	}
	ident, err := authn.New(ctx, s.db, authn.Options{AnonymousPull: s.cfg.AnonymousPull, Federation: s.federation.trusted(), Log: s.log})
	if err != nil {
		return err
	}
	s.authn = ident
	s.federation.watch(ident.Forget)
	if s.registries, err = hosting.New(ctx, s.db, hosting.Options{
		Domains: s.cfg.Domain, Name: s.cfg.RegistryName, Deleted: func(int64) { ident.Forget() },
	}); err != nil {
		return err
	}
	s.gate = gate.New(gate.Options{Authn: ident, Hosts: s.registries, TrustedProxies: s.cfg.TrustedProxy, Limits: limits(&s.cfg), Log: s.log})
	s.dist = distapi.New(distapi.Options{
		Engine: s.engine.Registry, Gate: s.gate, Log: s.log,
		BodyIdle: s.cfg.TransferTimeout, Redirect: s.cfg.Redirect,
	})
	s.acr = acrapi.New(acrapi.Options{Engine: s.engine.Registry, Gate: s.gate})
	s.token = tokenapi.New(tokenapi.Options{Authn: ident, Gate: s.gate})
	s.arm = armapi.New(armapi.Options{
		Authn: ident, Gate: s.gate, Registries: s.registries, Size: s.db.StoredSize, SoftDeleteDays: days(s.cfg.KeepDeleted),
		ManagedIdentity: s.cfg.ManagedIdentity, ManagedIdentitySecret: string(s.cfg.ManagedIdentitySecret),
	})
	s.admin = adminapi.New(adminapi.Options{Authn: ident, Gate: s.gate, Registries: s.registries, Garbage: garbage{s.collector}})
	return nil
}

// days are whole days, of which one that has begun counts.
func days(d time.Duration) int { return int((d + 24*time.Hour - 1) / (24 * time.Hour)) }

// CAFile is the file of the authority that clients must trust, "" if they know
// it already.
func (s *Server) CAFile() string { return s.caFile }

// startCollecting collects garbage in the background until Close.
func (s *Server) startCollecting() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stopGC, s.collected = cancel, make(chan struct{})
	go func() {
		defer close(s.collected)
		s.collector.Run(ctx)
	}()
}

// probe tells whether the registry can do its work.
func (s *Server) probe(ctx context.Context) error {
	return errors.Join(s.db.Ping(ctx), s.dir.writable(), s.probeBlobs(ctx))
}

// Close ends background work and closes what is open. No request may be served
// any more.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, sd := range s.sides {
		errs = append(errs, sd.close())
	}
	s.federation.close()
	if s.stopGC != nil {
		s.stopGC()
		<-s.collected
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.blobs != nil {
		errs = append(errs, s.blobs.Close())
	}
	if s.dir != nil {
		errs = append(errs, s.dir.close()) // last: it lets the next server in
	}
	return errors.Join(errs...)
}
