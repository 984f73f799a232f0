# __shared__ [__align__(A)] T name[N]...; becomes auto& name = ::simt::shared_variable<T[N]..., A>([] {});
# What is left of __shared__ after this, such as two variables in one declaration, is an error of the compiler.
s/__shared__[[:space:]]+__attribute__\(\(aligned\(([^()]*(\([^()]*\)[^()]*)*)\)\)\)[[:space:]]+([^;{}=]*[^][:alnum:]_;{}=])([[:alpha:]_][[:alnum:]_]*)[[:space:]]*((\[[^];]*\][[:space:]]*)*);/auto\& \4 = ::simt::shared_variable<\3\5, (\1)>([] {});/g
s/__shared__[[:space:]]+alignas\(([^()]*(\([^()]*\)[^()]*)*)\)[[:space:]]+([^;{}=]*[^][:alnum:]_;{}=])([[:alpha:]_][[:alnum:]_]*)[[:space:]]*((\[[^];]*\][[:space:]]*)*);/auto\& \4 = ::simt::shared_variable<\3\5, (\1)>([] {});/g
s/__shared__[[:space:]]+([^;{}=(,]*[^][:alnum:]_;{}=(,])([[:alpha:]_][[:alnum:]_]*)[[:space:]]*((\[[^];]*\][[:space:]]*)*);/auto\& \2 = ::simt::shared_variable<\1\3>([] {});/g
