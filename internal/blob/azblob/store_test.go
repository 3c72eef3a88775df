package azblob_test

import (
	"os"
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/azblob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/testenv/aztest"
)

func TestMain(m *testing.M) { os.Exit(aztest.Run(m)) }

// options are those of a store in a container.
func options(c aztest.Container) azblob.Options {
	return azblob.Options{
		Account:     aztest.Account,
		Container:   c.Name,
		Endpoint:    c.Endpoint,
		Prefix:      "some/registry",
		Credentials: azblob.Credentials{Key: aztest.Key},
	}
}

func open(t testing.TB, o azblob.Options) *azblob.Store {
	t.Helper()
	s, err := azblob.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, options(aztest.New(t))) })
}

func TestNodes(t *testing.T) {
	blobtest.RunNodes(t, func(t *testing.T) (a, b blob.Store) {
		o := options(aztest.New(t))
		return open(t, o), open(t, o)
	})
}
