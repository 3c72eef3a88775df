package server

import (
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/gate"
)

// limits are how many requests the configuration lets through.
func limits(cfg *config.Config) gate.Limits {
	return gate.Limits{
		Read: gate.Limit(cfg.RateLimitRead), Write: gate.Limit(cfg.RateLimitWrite),
		Delete: gate.Limit(cfg.RateLimitDelete), OAuth: gate.Limit(cfg.RateLimitOAuth),
	}
}
