package test

import (
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/registrytest"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// TestRemoteRegistry runs the public suite on our client against our server, with
// pages and chunks so small that there are many.
func TestRemoteRegistry(t *testing.T) {
	srv := testenv.Start(t, testenv.Options{})
	registrytest.Run(t, func(t *testing.T) orlop.Registry {
		reg, err := remote.New(srv.Address, remote.Options{
			PlainHTTP:  true,
			Credential: auth.Static(auth.Credential{Username: "admin", Password: testenv.AdminPassword}),
			PageSize:   10,
			ChunkSize:  100 << 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		return reg
	}, registrytest.Options{})
}
