package server

import (
	"net/http"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/armapi"
	"github.com/orlop/orlop/internal/gate"
)

// route chooses the handler of a path. It is no http.ServeMux: that cleans
// paths and unescapes them, and a repository name must arrive as it was sent.
// The path of each part is its own business from here.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/v2" || strings.HasPrefix(path, "/v2/"):
		w.Header()["Docker-Distribution-Api-Version"] = apiVersion
		s.dist.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/acr/v1/"):
		s.acr.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/oauth2/"):
		s.token.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/api/v1/"):
		s.admin.ServeHTTP(w, r)
	case armapi.Serves(path):
		s.arm.ServeHTTP(w, r)
	case path == "/healthz":
		s.healthz(w, r)
	case path == "/readyz":
		s.readyz(w, r)
	default:
		s.gate.WriteError(w, r, gate.ErrNoPath)
	}
}

// healthz tells that the process serves requests.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	s.report(w, r, nil)
}

// readyz tells that the registry can read its metadata and write its data.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	s.report(w, r, s.readiness.check(r.Context()))
}

func (s *Server) report(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		s.gate.WriteError(w, r, orlop.ErrUnsupported)
	case err != nil:
		s.log.Warn("not ready", "error", err)
		s.gate.WriteError(w, r, orlop.ErrUnavailable)
	default:
		gate.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	}
}
