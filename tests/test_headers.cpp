// Only for the headers that are compiled before it: see CMakeLists.txt.
