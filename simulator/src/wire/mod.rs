//! Query parameters to trees, trees to XML.
