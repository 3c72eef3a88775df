package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/orlop/orlop/internal/blob"
)

// failure gives an error of the store its meaning in the contract.
func failure(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if meaning := meaningOf(err); meaning != nil {
		return fmt.Errorf("%w: %w", meaning, err)
	}
	return err
}

func meaningOf(err error) error {
	switch {
	case isCode(err, "NoSuchKey", "NoSuchUpload", "InvalidPart"): // of another writer, the last
		return blob.ErrNotFound
	case isCode(err, "PreconditionFailed"):
		return blob.ErrExists
	case isFull(err):
		return blob.ErrFull
	case isUnavailable(err):
		return blob.ErrUnavailable
	}
	return nil
}

// isFull tells that there is no space, in the words of several stores.
func isFull(err error) bool {
	return status(err) == http.StatusInsufficientStorage ||
		isCode(err, "QuotaExceeded", "NoSpaceLeftOnDevice", "InsufficientStorage", "InsufficientCapacity",
			"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded")
}

// isUnavailable tells that the same request may succeed later.
func isUnavailable(err error) bool {
	code := status(err)
	return code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || isBroken(err) ||
		isCode(err, "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "RequestTimeTooSkewed", "Throttling",
			"ThrottlingException", "ConditionalRequestConflict", "OperationAborted")
}

// isBroken tells that there was no answer, or not all of it.
func isBroken(err error) bool {
	var send *smithyhttp.RequestSendError
	var network net.Error
	var spent ratelimit.QuotaExceededError // of retries
	return errors.As(err, &send) || errors.As(err, &network) || errors.As(err, &spent) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// isCode tells whether the store has answered with one of these codes.
func isCode(err error, codes ...string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, api.ErrorCode())
}

// status is that of the store's answer, 0 if there was none.
func status(err error) int {
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return resp.HTTPStatusCode()
	}
	return 0
}
