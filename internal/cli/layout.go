package cli

import (
	"errors"

	"github.com/orlop/orlop"
)

func openLayout(dir string) (orlop.Registry, error) { return nil, errors.ErrUnsupported }
