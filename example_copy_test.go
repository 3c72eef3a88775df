package orlop_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/memory"
)

// Copy an artifact from one registry to another. What is there is not sent.
func ExampleCopy() {
	ctx := context.Background()
	from, to := memory.New(), memory.New()
	pushText(from, "samples/greeting", "Hello!\n", "1.0")

	options := orlop.CopyOptions{
		Tags: []string{"1.0", "latest"},
		Progress: func(e orlop.Event) {
			switch e.Kind {
			case orlop.Done:
				fmt.Println("sent", e.Descriptor.MediaType)
			case orlop.Exists:
				fmt.Println("exists", e.Descriptor.MediaType)
			}
		},
		Concurrency: 1, // for the sake of the order of these lines
	}
	for range 2 {
		if _, err := orlop.Copy(ctx, to, "mirror/greeting", from, "samples/greeting", "1.0", options); err != nil {
			log.Fatal(err)
		}
	}

	// An error says on which side something failed.
	_, err := orlop.Copy(ctx, to, "mirror/greeting", from, "samples/greeting", "2.0", options)
	if e, ok := errors.AsType[*orlop.CopyError](err); ok {
		fmt.Println(e.Side, errors.Is(err, orlop.ErrManifestUnknown))
	}
	// Output:
	// sent application/vnd.oci.empty.v1+json
	// sent text/plain
	// sent application/vnd.oci.image.manifest.v1+json
	// exists application/vnd.oci.image.manifest.v1+json
	// source true
}

// Copy an artifact, with all that was attached to it, into a tar file that can
// be carried to another network, and from there into a registry.
func ExampleCopy_tar() {
	ctx := context.Background()
	from, to := memory.New(), memory.New()
	subject := pushText(from, "samples/greeting", "Hello!\n", "1.0")
	if _, err := attach(ctx, from, "samples/greeting", "application/vnd.example.signature", subject); err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "greeting")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	options := orlop.CopyOptions{Tags: []string{"1.0"}, Referrers: true}

	file, err := layout.CreateTar(filepath.Join(dir, "greeting.tar"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = orlop.Copy(ctx, file, "", from, "samples/greeting", "1.0", options) // a layout has no repositories
	if err == nil {
		err = file.Commit(ctx)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		log.Fatal(err)
	}

	file, err = layout.OpenTar(filepath.Join(dir, "greeting.tar"))
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	if _, err := orlop.Copy(ctx, to, "inside/greeting", file, "", "1.0", options); err != nil {
		log.Fatal(err)
	}
	for desc, err := range to.Referrers(ctx, "inside/greeting", subject.Digest, "") {
		fmt.Println(desc.ArtifactType, err)
	}
	// Output:
	// application/vnd.example.signature <nil>
}
