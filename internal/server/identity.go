package server

import (
	"fmt"
	"log/slog"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/federation"
	"github.com/orlop/orlop/internal/gate"
)

// openFederation returns the issuers that the configuration trusts; nil if it
// trusts none.
func openFederation(cfg *config.Config, log *slog.Logger) (authn.Federation, error) {
	if cfg.FederationFile == "" {
		return nil, nil
	}
	trusted, err := federation.Load(cfg.FederationFile)
	if err != nil {
		return nil, fmt.Errorf("federation-file: %w", err)
	}
	return federation.New(trusted, federation.Options{Log: log}), nil
}

// limits are how many requests the configuration lets through.
func limits(cfg *config.Config) gate.Limits {
	return gate.Limits{
		Read: gate.Limit(cfg.RateLimitRead), Write: gate.Limit(cfg.RateLimitWrite),
		Delete: gate.Limit(cfg.RateLimitDelete), OAuth: gate.Limit(cfg.RateLimitOAuth),
	}
}
