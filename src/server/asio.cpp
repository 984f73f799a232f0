// The part of Boost.Asio that is compiled once, for all files of this folder.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
