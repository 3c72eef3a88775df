package cli

import (
	"log/slog"
	"path/filepath"

	"github.com/orlop/orlop/internal/state"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// stateDir is where tokens and begun uploads are kept between runs: what
// $ORLOP_STATE says, else in the user's directory for caches. "" is nowhere.
func stateDir(env *Env) string {
	switch dir := env.Getenv("ORLOP_STATE"); dir {
	case "off":
		return ""
	case "":
	default:
		return dir
	}
	if env.CacheDir == nil {
		return ""
	}
	dir, err := env.CacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "orlop")
}

func keptTokens(dir string, log *slog.Logger) auth.TokenStore { return state.NewTokens(dir, log) }

func keptUploads(dir string, log *slog.Logger) remote.UploadStore { return state.NewUploads(dir, log) }

// forgetTokens drops the tokens that are kept for a registry.
func forgetTokens(env *Env, c *commonOptions, host string) {
	if dir := stateDir(env); dir != "" {
		state.NewTokens(dir, c.logger(env)).Forget(host)
	}
}
