package orlop_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// push packs a text into an artifact and pushes it.
func push(ctx context.Context, r orlop.Writer, repo, text, tag string) (orlop.Descriptor, error) {
	layer := orlop.Descriptor{
		MediaType: "text/plain", Digest: digest.FromString(text), Size: int64(len(text)),
		Annotations: map[string]string{ocispec.AnnotationTitle: "hello.txt"},
	}
	m, blobs, err := orlop.Pack(orlop.PackOptions{
		ArtifactType: "application/vnd.example.greeting", Layers: []orlop.Descriptor{layer},
	})
	if err != nil {
		return orlop.Descriptor{}, err
	}
	for _, b := range append(blobs, orlop.Blob{Descriptor: layer, Content: []byte(text)}) {
		if err := r.PushBlob(ctx, repo, b.Descriptor, bytes.NewReader(b.Content)); err != nil {
			return orlop.Descriptor{}, err
		}
	}
	return r.PushManifest(ctx, repo, m.Descriptor.MediaType, m.Raw, tag)
}

func ExamplePack() {
	ctx := context.Background()
	r := memory.New() // or a layout, or a remote registry
	desc, err := push(ctx, r, "samples/greeting", "Hello!\n", "1.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(desc.ArtifactType, desc.Digest)
	// Output:
	// application/vnd.example.greeting sha256:34d66d6f6288fbb1fcd4f5eb67c783ca9746c2aeda15f32536b580ebbdb0036f
}

func ExampleCopy() {
	ctx := context.Background()
	src, dst := memory.New(), memory.New()
	if _, err := push(ctx, src, "samples/greeting", "Hello!\n", "1.0"); err != nil {
		fmt.Println(err)
		return
	}
	sent := 0
	_, err := orlop.Copy(ctx, dst, "backup/greeting", src, "samples/greeting", "1.0", orlop.CopyOptions{
		Tags: []string{"1.0", "latest"},
		Progress: func(e orlop.Event) {
			if e.Kind == orlop.Done {
				sent++
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for tag, err := range dst.Tags(ctx, "backup/greeting", "") {
		fmt.Println(tag, err)
	}
	fmt.Println(sent, "sent: the empty configuration, the text, the manifest")
	// Output:
	// 1.0 <nil>
	// latest <nil>
	// 3 sent: the empty configuration, the text, the manifest
}

func ExampleWalkReferrers() {
	ctx := context.Background()
	r := memory.New()
	subject, err := push(ctx, r, "samples/greeting", "Hello!\n", "1.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	m, _, err := orlop.Pack(orlop.PackOptions{ArtifactType: "application/vnd.example.signature", Subject: &subject})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := r.PushManifest(ctx, "samples/greeting", "", m.Raw); err != nil {
		fmt.Println(err)
		return
	}
	for referrer, err := range orlop.WalkReferrers(ctx, r, "samples/greeting", subject.Digest, orlop.WalkOptions{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(referrer.Depth, referrer.Descriptor.ArtifactType)
	}
	// Output:
	// 1 application/vnd.example.signature
}
