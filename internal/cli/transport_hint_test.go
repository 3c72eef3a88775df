package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

func TestBrokeOff(t *testing.T) {
	gaveUp := func(err error) error { return fmt.Errorf("read blob: %w: %w", orlop.ErrGaveUp, err) }
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"cut":                 {gaveUp(io.ErrUnexpectedEOF), true},
		"no answer":           {gaveUp(io.EOF), true},
		"reset":               {gaveUp(&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}), true},
		"stalled":             {gaveUp(remote.ErrStalled), true},
		"not tried again":     {io.ErrUnexpectedEOF, false},
		"a refusal":           {gaveUp(orlop.ErrManifestInvalid), false},
		"a lock":              {gaveUp(orlop.ErrDisallowed), false},
		"a credential helper": {gaveUp(errors.New("find the credential: exit status 1")), false},
	} {
		if got := brokeOff(c.err); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
