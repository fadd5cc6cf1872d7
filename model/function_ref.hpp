// SPDX-License-Identifier: GPL-2.0-only
// A callable that somebody else keeps: what one side of a seam passes to the other to be called back.
//
// Like C++26's std::function_ref. It lives on a stack, for the length of one call, and never in emulated RAM (D1).
#pragma once

#include <memory>
#include <type_traits>

namespace baton {

template <class Signature>
class FunctionRef;

template <class R, class... A>
class FunctionRef<R(A...)> {
public:
    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
    FunctionRef(F&& f)  // NOLINT(google-explicit-constructor): a lambda is what callers write
        : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))), call_(&call<F>) {}
    R operator()(A... a) const { return call_(object_, a...); }

private:
    template <class F>
    static R call(void* object, A... a) {
        return (*static_cast<std::remove_reference_t<F>*>(object))(a...);
    }
    void* object_;
    R (*call_)(void*, A...);
};

}  // namespace baton
