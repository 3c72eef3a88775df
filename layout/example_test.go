package layout_test

import (
	"context"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/memory"
)

// Copy an artifact from a registry into a directory.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "layout")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	registry := memory.New() // or a remote registry
	index := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	if _, err := registry.PushManifest(ctx, "samples/nothing", "", index, "1.0"); err != nil {
		fmt.Println(err)
		return
	}

	backup, err := layout.Create(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backup.Close()
	desc, err := orlop.Copy(ctx, backup, "", registry, "samples/nothing", "1.0", orlop.CopyOptions{Tags: []string{"1.0"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(desc.Digest == digest.FromBytes(index))
	for tag, err := range backup.Tags(ctx, "", "") {
		fmt.Println(tag, err)
	}
	// Output:
	// true
	// 1.0 <nil>
}
