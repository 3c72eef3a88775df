package memory_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// Upload a blob in two parts, as after a cut connection.
func Example() {
	ctx := context.Background()
	r := memory.New()
	w, err := r.Upload(ctx, "samples/blob", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(w, "Hello, ")
	w.Close()

	w, err = r.Upload(ctx, "samples/blob", w.ID())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("go on at", w.Offset())
	io.WriteString(w, "world!")
	desc, err := w.Commit(ctx, digest.FromString("Hello, world!"))
	fmt.Println(desc.Size, err)

	_, err = r.StatBlob(ctx, "samples/other", desc.Digest)
	fmt.Println(errors.Is(err, orlop.ErrBlobUnknown))
	// Output:
	// go on at 7
	// 13 <nil>
	// true
}
