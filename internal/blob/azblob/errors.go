package azblob

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/orlop/orlop/internal/blob"
)

// meanings are what the service's error codes mean in the contract. A container
// that does not exist is no object that does not exist.
var meanings = map[bloberror.Code]error{
	bloberror.BlobNotFound:      blob.ErrNotFound,
	bloberror.ResourceNotFound:  blob.ErrNotFound,
	bloberror.InvalidBlockList:  blob.ErrNotFound, // blocks that were there are gone
	bloberror.BlobAlreadyExists: blob.ErrExists,
	bloberror.ConditionNotMet:   blob.ErrExists, // the only condition that is made
	bloberror.ServerBusy:        blob.ErrUnavailable,
	bloberror.OperationTimedOut: blob.ErrUnavailable,
	bloberror.InternalError:     blob.ErrUnavailable,
	bloberror.CRC64Mismatch:     blob.ErrUnavailable, // content has changed on the way
}

// hints are what to do about errors that no program can mend.
var hints = map[bloberror.Code]string{
	bloberror.ContainerNotFound:               "create the container first",
	bloberror.AuthenticationFailed:            checkKey,
	bloberror.AuthorizationFailure:            checkKey + ", and the account's firewall",
	bloberror.AuthorizationPermissionMismatch: "give the identity the role Storage Blob Data Contributor, or the signature the rights racwdl",
	"KeyBasedAuthenticationNotPermitted":      "the account takes no keys: use an identity with the role Storage Blob Data Contributor",
}

const checkKey = "check the key, or the signature with its rights and expiry, and the clock"

// failure gives an error of the SDK its meaning in the contract, and few words:
// its own have many lines, and the URL with the signature that lets one in.
func failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if answer, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return answered(answer)
	}
	var final interface{ NonRetriable() }
	if errors.As(err, &final) { // no credentials
		return err
	}
	if sent, ok := errors.AsType[*url.Error](err); ok {
		err = sent.Err
	}
	return fmt.Errorf("%w: %w", blob.ErrUnavailable, err)
}

func answered(answer *azcore.ResponseError) error {
	code := bloberror.Code(answer.ErrorCode)
	err := fmt.Errorf("the service answered %d %s", answer.StatusCode, code)
	if hint := hints[code]; hint != "" {
		err = fmt.Errorf("%w: %s", err, hint)
	}
	meaning := meanings[code]
	if meaning == nil && temporary(answer.StatusCode) {
		meaning = blob.ErrUnavailable
	}
	if meaning != nil {
		err = fmt.Errorf("%w: %w", meaning, err)
	}
	return err
}

func temporary(status int) bool { return status >= 500 || status == 408 || status == 429 }
