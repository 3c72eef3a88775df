package orlop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// Pull the files of an artifact. What is read is checked against its digest: a
// wrong byte is an error before the last one comes.
func ExampleParseManifest() {
	ctx := context.Background()
	registry := memory.New() // or remote.New("registry.example", remote.Options{})
	pushText(registry, "samples/greeting", "Hello!\n", "1.0")

	manifest, err := registry.Manifest(ctx, "samples/greeting", "1.0")
	if err != nil {
		log.Fatal(err)
	}
	info, err := orlop.ParseManifest(manifest.Descriptor.MediaType, manifest.Raw)
	if err != nil {
		log.Fatal(err)
	}
	for _, layer := range info.Layers {
		blob, err := registry.OpenBlob(ctx, "samples/greeting", layer.Digest, 0, -1)
		if err != nil {
			log.Fatal(err)
		}
		// Who writes to files: a title is the word of a stranger. Use os.Root.
		fmt.Printf("%s, %d bytes: ", layer.Annotations[ocispec.AnnotationTitle], layer.Size)
		_, err = io.Copy(os.Stdout, blob)
		if err := errors.Join(err, blob.Close()); err != nil {
			log.Fatal(err)
		}
	}

	_, err = registry.Manifest(ctx, "samples/greeting", "2.0")
	fmt.Println("no 2.0:", errors.Is(err, orlop.ErrManifestUnknown))
	// Output:
	// hello.txt, 7 bytes: Hello!
	// no 2.0: true
}
