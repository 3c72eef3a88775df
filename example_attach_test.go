package orlop_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// Attach a signature to an artifact: it is an artifact of its own whose subject
// is the other. Here all it has to say is in its annotations.
func ExamplePack_attach() {
	ctx := context.Background()
	registry := memory.New()
	subject := pushText(registry, "samples/greeting", "Hello!\n", "1.0")

	attached, err := attach(ctx, registry, "samples/greeting", "application/vnd.example.signature", subject)
	if err != nil {
		log.Fatal(err)
	}
	for desc, err := range registry.Referrers(ctx, "samples/greeting", subject.Digest, "") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(desc.ArtifactType, desc.Annotations["com.example.by"], desc.Digest == attached.Digest)
	}
	// Output:
	// application/vnd.example.signature Ada true
}

func attach(
	ctx context.Context, r orlop.Writer, repo, artifactType string, subject orlop.Descriptor,
) (orlop.Descriptor, error) {
	manifest, blobs, err := orlop.Pack(orlop.PackOptions{
		ArtifactType: artifactType,
		Subject:      &subject,
		Annotations:  map[string]string{"com.example.by": "Ada"},
	})
	if err != nil {
		return orlop.Descriptor{}, err
	}
	for _, b := range blobs {
		if err := r.PushBlob(ctx, repo, b.Descriptor, bytes.NewReader(b.Content)); err != nil {
			return orlop.Descriptor{}, err
		}
	}
	return r.PushManifest(ctx, repo, manifest.Descriptor.MediaType, manifest.Raw) // no tag: it is found by its subject
}

// List what was attached to an artifact, and what to that.
func ExampleWalkReferrers() {
	ctx := context.Background()
	registry := memory.New()
	desc := pushText(registry, "samples/greeting", "Hello!\n", "1.0")
	root := desc.Digest
	for _, artifactType := range []string{"application/vnd.example.sbom", "application/vnd.example.signature"} {
		attached, err := attach(ctx, registry, "samples/greeting", artifactType, desc)
		if err != nil {
			log.Fatal(err)
		}
		desc = attached // the next is about this one
	}

	for referrer, err := range orlop.WalkReferrers(ctx, registry, "samples/greeting", root, orlop.WalkOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(referrer.Depth, referrer.Descriptor.ArtifactType)
	}
	// Output:
	// 1 application/vnd.example.sbom
	// 2 application/vnd.example.signature
}
